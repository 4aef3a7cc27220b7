-- case: OVER by processing time
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept, eid, SUM(eid) OVER (PARTITION BY dept ORDER BY p ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM s;
