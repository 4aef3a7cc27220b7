-- case: a correlated EXISTS under OR
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT name FROM staff AS s WHERE s.dept = 40 OR EXISTS (SELECT 1 FROM depts WHERE did = s.dept AND title = 'Sales');
