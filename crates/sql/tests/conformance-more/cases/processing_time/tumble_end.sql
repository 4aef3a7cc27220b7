-- case: windows of processing time that are open at the end are dropped
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept, COUNT(*), window_start FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(p), INTERVAL '1000' DAY(4))) GROUP BY dept, window_start, window_end;
