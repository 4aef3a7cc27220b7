-- case: aggs: SELECT STDDEV_POP(amt) AS x FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT STDDEV_POP(amt) AS x FROM sales;
SELECT STDDEV_SAMP(qty) AS x FROM sales;
SELECT STDDEV(qty) AS x FROM sales;
SELECT VAR_POP(amt) AS x FROM sales;
SELECT VAR_SAMP(qty) AS x FROM sales;
