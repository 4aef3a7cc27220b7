-- case: window Top-N by processing time
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY c DESC) AS r FROM (SELECT dept, COUNT(*) AS c, window_start, window_end FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '1' DAY)) GROUP BY dept, window_start, window_end)) WHERE r <= 3;
