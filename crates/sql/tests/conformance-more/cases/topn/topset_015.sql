-- case: topset: SELECT n FROM scores ORDER BY pts DESC, n LIMIT 2 OFFSET 1;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE stock (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT n FROM scores ORDER BY pts DESC, n LIMIT 2 OFFSET 1;
SELECT n FROM scores ORDER BY pts DESC, n OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY;
SELECT n FROM scores LIMIT 3;
SELECT n FROM scores FETCH FIRST 2 ROWS ONLY;
SELECT n FROM scores LIMIT 0;
