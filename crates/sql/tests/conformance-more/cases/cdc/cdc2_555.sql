-- case: SELECT * FROM c ORDER BY id LIMIT 2;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/timed_cdc.jsonl');
SELECT * FROM c ORDER BY id LIMIT 2;
