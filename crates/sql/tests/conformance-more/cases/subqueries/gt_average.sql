-- case: a correlated average
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT name FROM staff AS s1 WHERE eid > (SELECT AVG(eid) FROM staff AS s2 WHERE s2.dept = s1.dept);
