-- case: aggs_p2: SELECT shop, VARIANCE(amt) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, VARIANCE(amt) AS x FROM sales GROUP BY shop;
SELECT shop, COUNT(DISTINCT item) FILTER (WHERE qty > 1) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(amt * qty) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(CAST(qty AS DOUBLE)) / COUNT(*) AS x FROM sales GROUP BY shop;
SELECT shop, PERCENTILE(amt, 0.25) AS x FROM sales GROUP BY shop;
