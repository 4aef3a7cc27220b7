-- case: deduplication by processing time, last row
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept, eid FROM (SELECT dept, eid, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY p DESC) AS n FROM s) WHERE n = 1;
