-- case: SELECT id, COUNT(*) FROM c GROUP BY id;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/dup_cdc.jsonl');
SELECT id, COUNT(*) FROM c GROUP BY id;
