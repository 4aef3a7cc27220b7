-- case: aggs: SELECT AVG(amt) AS x FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT AVG(amt) AS x FROM sales;
SELECT MIN(amt) AS x FROM sales;
SELECT MAX(item) AS x FROM sales;
SELECT MIN(vip) AS x FROM sales;
SELECT MAX(vip) AS x FROM sales;
