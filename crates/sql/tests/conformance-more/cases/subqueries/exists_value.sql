-- case: a correlated EXISTS as a value
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT name, EXISTS (SELECT 1 FROM depts AS d WHERE d.did = s.dept) FROM staff AS s;
