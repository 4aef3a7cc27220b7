-- case: ALL over an aggregate in HAVING
-- compare: changelog-final
CREATE VIEW n AS SELECT * FROM (VALUES (1), (2), (3), (CAST(NULL AS INT))) AS t (n);
CREATE VIEW two AS SELECT * FROM (VALUES (1), (2)) AS u (x);
CREATE VIEW with_null AS SELECT * FROM (VALUES (1), (CAST(NULL AS INT))) AS u (x);
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT dept, COUNT(*) FROM staff GROUP BY dept HAVING COUNT(*) > ALL (SELECT x FROM two);
