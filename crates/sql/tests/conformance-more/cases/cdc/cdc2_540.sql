-- case: SELECT COUNT(*) FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/timed_cdc.jsonl');
SELECT COUNT(*) FROM c;
