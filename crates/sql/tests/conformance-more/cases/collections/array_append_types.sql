-- case: ARRAY_APPEND and ARRAY_PREPEND with elements that may be NULL
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT ARRAY_APPEND(ARRAY[1], NULL) AS a;
SELECT ARRAY_APPEND(ARRAY[1], CAST(NULL AS INT)) AS a;
SELECT ARRAY_APPEND(ARRAY[sid], qty) AS a FROM sales;
SELECT ARRAY_PREPEND(ARRAY[qty], 1) AS a FROM sales;
