-- case: SELECT eid, COUNT(*) FROM c GROUP BY eid;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
SELECT eid, COUNT(*) FROM c GROUP BY eid;
