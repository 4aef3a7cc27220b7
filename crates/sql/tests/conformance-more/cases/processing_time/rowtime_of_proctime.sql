-- case: a window of processing time has no rowtime
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept, TUMBLE_ROWTIME(p, INTERVAL '1' DAY) FROM s GROUP BY dept, TUMBLE(p, INTERVAL '1' DAY);
