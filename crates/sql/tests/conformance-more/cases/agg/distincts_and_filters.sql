-- case: several DISTINCT and FILTER together, with grouping sets and retraction
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE stock (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE stockp (id INT, bin STRING, n INT, label STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
SELECT shop, COUNT(DISTINCT item) AS a, COUNT(DISTINCT vip) AS b, SUM(DISTINCT qty) AS c, COUNT(DISTINCT item) FILTER (WHERE qty > 2) AS d FROM sales GROUP BY shop;
SELECT GROUPING_ID(shop) AS g, COUNT(DISTINCT item) AS a, SUM(qty) FILTER (WHERE vip) AS b FROM sales GROUP BY ROLLUP(shop);
SELECT bin, SUM(DISTINCT n) AS a, COUNT(DISTINCT n) AS b, MAX(DISTINCT n) AS c, AVG(DISTINCT n) AS d FROM stockp GROUP BY bin;
SELECT SUM(n) FILTER (WHERE label LIKE 'n%') AS a, COUNT(*) FILTER (WHERE n > 10) AS b FROM stock;
SELECT c, COUNT(*) AS n FROM (SELECT bin, COUNT(*) AS c FROM stock GROUP BY bin) GROUP BY c;
