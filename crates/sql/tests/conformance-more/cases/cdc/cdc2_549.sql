-- case: SELECT id, COUNT(*) FROM c GROUP BY id;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/timed_cdc.jsonl','debezium-json.ignore-parse-errors'='true');
SELECT id, COUNT(*) FROM c GROUP BY id;
