-- case: STATE_TTL of a grouping
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT /*+ STATE_TTL('staff' = '1 d') */ dept, COUNT(*) FROM staff GROUP BY dept;
