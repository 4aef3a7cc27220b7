-- case: interval join by processing time
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT a.name, b.name FROM s AS a JOIN s AS b ON a.boss = b.eid AND a.p BETWEEN b.p - INTERVAL '1' DAY AND b.p + INTERVAL '1' DAY;
