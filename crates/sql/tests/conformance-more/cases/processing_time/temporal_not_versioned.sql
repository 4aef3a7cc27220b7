-- case: a temporal join by processing time with a table without lookup
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
CREATE TABLE g (id INT) WITH ('connector'='datagen');
SELECT s.name FROM s JOIN g FOR SYSTEM_TIME AS OF s.p ON s.dept = g.id;
