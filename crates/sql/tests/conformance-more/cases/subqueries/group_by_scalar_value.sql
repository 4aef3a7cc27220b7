-- case: a scalar subquery of the group
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT dept, COUNT(*), (SELECT COUNT(*) FROM depts WHERE did = s.dept) FROM staff AS s GROUP BY dept;
