-- case: an aggregate over windows of processing time
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT window_start, SUM(c) FROM (SELECT dept, COUNT(*) AS c, window_start, window_end FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '1000' DAY(4))) GROUP BY dept, window_start, window_end) GROUP BY window_start, window_end;
