-- case: EXISTS within EXISTS that names the outermost query
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT name FROM staff AS a WHERE EXISTS (SELECT 1 FROM depts AS d WHERE d.did = a.dept AND EXISTS (SELECT 1 FROM staff AS b WHERE b.dept = d.did AND b.eid < a.eid));
