-- case: aggs: SELECT VARIANCE(amt) AS x FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT VARIANCE(amt) AS x FROM sales;
SELECT COLLECT(item) AS x FROM sales;
SELECT LISTAGG(item) AS x FROM sales;
SELECT LISTAGG(item, '|') AS x FROM sales;
SELECT LISTAGG(DISTINCT item) AS x FROM sales;
