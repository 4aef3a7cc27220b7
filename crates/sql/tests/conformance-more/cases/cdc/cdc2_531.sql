-- case: SELECT * FROM c ORDER BY id LIMIT 2;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'table.exec.source.cdc-events-duplicate' = 'true';
CREATE TABLE c (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/dup_cdc.jsonl');
SELECT * FROM c ORDER BY id LIMIT 2;
