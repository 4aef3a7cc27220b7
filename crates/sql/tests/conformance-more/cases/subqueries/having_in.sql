-- case: IN in HAVING
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT dept, COUNT(*) FROM staff GROUP BY dept HAVING dept IN (SELECT did FROM depts);
