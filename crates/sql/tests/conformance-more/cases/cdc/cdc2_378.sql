-- case: SELECT MAX(eid), MIN(eid) FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (eid INT, name STRING, dept INT, PRIMARY KEY (eid) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
SELECT MAX(eid), MIN(eid) FROM c;
