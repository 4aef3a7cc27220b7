-- case: SELECT MAX(id), MIN(id) FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/dup_cdc.jsonl');
SELECT MAX(id), MIN(id) FROM c;
