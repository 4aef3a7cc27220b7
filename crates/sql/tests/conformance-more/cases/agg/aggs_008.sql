-- case: aggs: SELECT shop, SUM(CAST(qty AS DOUBLE)) / COUNT(*) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, SUM(CAST(qty AS DOUBLE)) / COUNT(*) AS x FROM sales GROUP BY shop;
SELECT shop, PERCENTILE(qty, 0.5) AS x FROM sales GROUP BY shop;
SELECT shop, PERCENTILE(amt, 0.25) AS x FROM sales GROUP BY shop;
SELECT shop, PERCENTILE(qty, ARRAY[0.25, 0.75]) AS x FROM sales GROUP BY shop;
SELECT shop, PERCENTILE(qty, 0.5, qty) AS x FROM sales GROUP BY shop;
