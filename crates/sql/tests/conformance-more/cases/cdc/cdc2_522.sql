-- case: SELECT * FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/dup_cdc.jsonl','debezium-json.ignore-parse-errors'='true');
SELECT * FROM c;
