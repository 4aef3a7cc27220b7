-- case: aggs: SELECT COUNT(qty) AS x FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT COUNT(qty) AS x FROM sales;
SELECT COUNT(DISTINCT item) AS x FROM sales;
SELECT SUM(qty) AS x FROM sales;
SELECT SUM(DISTINCT qty) AS x FROM sales;
SELECT AVG(qty) AS x FROM sales;
