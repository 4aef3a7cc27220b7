-- case: a hint that is not known
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT /*+ FOO('staff' = '1 d') */ dept, COUNT(*) FROM staff GROUP BY dept;
