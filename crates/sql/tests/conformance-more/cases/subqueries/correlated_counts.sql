-- case: correlated aggregates as values, where no row matches
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE TABLE sc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE dc (did INT, title STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/depts_cdc.jsonl');
SELECT title, EXISTS (SELECT 1 FROM sc s WHERE s.dept = d.did) AS e FROM dc d;
SELECT title, (SELECT LISTAGG(name) FROM staff s WHERE s.dept = d.did) AS e FROM depts d;
SELECT title, (SELECT COUNT(*) + 1 FROM staff s WHERE s.dept = d.did) AS e FROM depts d;
SELECT title, (SELECT MIN(eid) FROM staff s WHERE s.dept = d.did AND s.boss > 0) AS e FROM depts d WHERE d.did IS NOT NULL;
SELECT title FROM depts d WHERE d.did > (SELECT AVG(dept) FROM staff);
SELECT title FROM depts d WHERE 2 <= (SELECT COUNT(*) FROM staff s WHERE s.dept = d.did);
SELECT eid, (SELECT COUNT(*) FROM staff b WHERE b.boss = s.eid) AS t FROM staff s;
SELECT eid, (SELECT SUM(b.eid) FROM staff b WHERE b.boss = s.eid) AS t FROM sc s;
