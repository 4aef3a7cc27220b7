-- case: aggs_p2: SELECT shop, COUNT(*) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, COUNT(*) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(DISTINCT qty) AS x FROM sales GROUP BY shop;
SELECT shop, MIN(amt) AS x FROM sales GROUP BY shop;
SELECT shop, MAX(vip) AS x FROM sales GROUP BY shop;
SELECT shop, STDDEV(qty) AS x FROM sales GROUP BY shop;
