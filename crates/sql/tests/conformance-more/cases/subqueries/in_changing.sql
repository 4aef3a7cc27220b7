-- case: IN under OR over changing inputs
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/depts_cdc.jsonl');
SELECT eid, name, dept IN (SELECT did FROM depts) FROM staff;
