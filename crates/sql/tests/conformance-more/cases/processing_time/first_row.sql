-- case: deduplication by processing time, first row
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;
SELECT dept FROM (SELECT dept, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY p) AS n FROM s) WHERE n = 1;
