-- case: the older group window over processing time
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept, COUNT(*), TUMBLE_START(p, INTERVAL '1000' DAY(4)) FROM s GROUP BY dept, TUMBLE(p, INTERVAL '1000' DAY(4));
