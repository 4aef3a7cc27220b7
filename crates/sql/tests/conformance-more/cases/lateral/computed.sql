-- case: a LATERAL column computed from both sides
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT s1.name, d.t FROM staff AS s1, LATERAL (SELECT title || s1.name AS t FROM depts WHERE did = s1.dept) AS d;
