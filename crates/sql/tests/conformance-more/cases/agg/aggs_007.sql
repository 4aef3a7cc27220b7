-- case: aggs: SELECT shop, AVG(CAST(qty AS DOUBLE)) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, AVG(CAST(qty AS DOUBLE)) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(CAST(qty AS TINYINT)) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(amt * qty) AS x FROM sales GROUP BY shop;
SELECT shop, AVG(amt * qty) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(CAST(qty AS FLOAT)) AS x FROM sales GROUP BY shop;
