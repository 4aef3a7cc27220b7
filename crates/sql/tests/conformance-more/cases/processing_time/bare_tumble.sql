-- case: a window function over processing time without aggregate
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '1000' DAY(4)));
