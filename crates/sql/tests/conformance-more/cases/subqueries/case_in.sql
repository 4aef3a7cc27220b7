-- case: IN within CASE
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT CASE WHEN dept IN (SELECT did FROM depts) THEN 'a' ELSE 'b' END FROM staff;
