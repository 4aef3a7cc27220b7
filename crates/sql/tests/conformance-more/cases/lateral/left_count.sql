-- case: a count of what a row sees, 0 for nothing
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT s1.name, d.n FROM staff AS s1 LEFT JOIN LATERAL (SELECT COUNT(*) AS n FROM depts WHERE did = s1.dept) AS d ON TRUE;
