-- case: SELECT * FROM x;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE c (eid INT, name STRING, dept INT, PRIMARY KEY (eid) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE o (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='maxwell-json','path'='${OUT}/o');
INSERT INTO o SELECT * FROM c;
CREATE TABLE x (line STRING) WITH ('connector'='filesystem','format'='raw','path'='${OUT}/o');
SELECT * FROM x;
