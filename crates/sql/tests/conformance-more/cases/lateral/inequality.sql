-- case: a LATERAL subquery by inequality
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT s1.name, d.title FROM staff AS s1, LATERAL (SELECT title FROM depts WHERE did > s1.dept) AS d;
