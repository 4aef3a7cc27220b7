-- case: aggs_p2: SELECT PERCENTILE(qty, 0.5) AS x FROM sales;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT PERCENTILE(qty, 0.5) AS x FROM sales;
SELECT shop, item, GROUP_ID(), SUM(qty) FROM sales GROUP BY ROLLUP (shop, item);
SELECT UPPER(shop), COUNT(*) FROM sales GROUP BY UPPER(shop);
SELECT COUNT(*) FROM (SELECT DISTINCT shop FROM sales);
SELECT SUM(n) FROM (SELECT shop, COUNT(*) AS n FROM sales GROUP BY shop);
