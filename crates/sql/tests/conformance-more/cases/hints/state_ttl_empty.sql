-- case: STATE_TTL without arguments
-- compare: error
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT /*+ STATE_TTL() */ dept, COUNT(*) FROM staff GROUP BY dept;
