-- case: aggs: SELECT SUM(CAST(qty AS TINYINT)) AS x FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT SUM(CAST(qty AS TINYINT)) AS x FROM sales;
SELECT SUM(amt * qty) AS x FROM sales;
SELECT AVG(amt * qty) AS x FROM sales;
SELECT SUM(CAST(qty AS FLOAT)) AS x FROM sales;
SELECT SUM(CAST(qty AS DOUBLE)) / COUNT(*) AS x FROM sales;
