-- case: SELECT * FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'table.exec.source.cdc-events-duplicate' = 'true';
CREATE TABLE c (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/timed_cdc.jsonl');
SELECT * FROM c;
