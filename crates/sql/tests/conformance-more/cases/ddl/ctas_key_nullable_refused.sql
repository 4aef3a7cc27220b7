-- case: CREATE TABLE AS with a key that may be NULL
-- compare: error
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE o (PRIMARY KEY (sid) NOT ENFORCED) WITH ('connector'='filesystem','format'='json','path'='${OUT}/o') AS SELECT sid FROM sales; SELECT * FROM o;
