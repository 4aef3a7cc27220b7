-- case: STATE_TTL by a table name where there is an alias
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT /*+ STATE_TTL('staff' = '1 d') */ a.dept, COUNT(*) FROM staff AS a GROUP BY a.dept;
