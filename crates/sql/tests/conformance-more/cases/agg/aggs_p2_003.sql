-- case: aggs_p2: SELECT shop, MAX(qty) - MIN(qty) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, MAX(qty) - MIN(qty) AS x FROM sales GROUP BY shop;
SELECT COUNT(DISTINCT item) AS x FROM sales;
SELECT SUM(qty) AS x FROM sales;
SELECT AVG(amt) AS x FROM sales;
SELECT MIN(vip) AS x FROM sales;
