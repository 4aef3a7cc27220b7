-- case: SELECT * FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl','debezium-json.ignore-parse-errors'='true');
SELECT * FROM c;
