-- case: EXISTS of an aggregate is always true
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT name FROM staff AS s1 WHERE EXISTS (SELECT COUNT(*) FROM depts WHERE did = s1.dept);
