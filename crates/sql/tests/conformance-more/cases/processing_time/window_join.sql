-- case: window join by processing time
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
CREATE VIEW w AS SELECT * FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '1' DAY));
SELECT a.eid FROM w AS a JOIN w AS b ON a.eid = b.eid AND a.window_start = b.window_start AND a.window_end = b.window_end;
