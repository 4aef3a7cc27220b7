-- case: a key that comes twice in JSON_OBJECTAGG
-- compare: error
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT JSON_OBJECTAGG(KEY item VALUE qty) AS x FROM sales;
