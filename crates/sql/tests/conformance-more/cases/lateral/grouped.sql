-- case: a LATERAL subquery with GROUP BY
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT s1.name, d.t FROM staff AS s1, LATERAL (SELECT title AS t, COUNT(*) AS n FROM depts WHERE did = s1.dept GROUP BY title) AS d;
