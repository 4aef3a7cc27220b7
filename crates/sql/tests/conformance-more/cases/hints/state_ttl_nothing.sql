-- case: STATE_TTL where there is no state
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT /*+ STATE_TTL('x' = '1 d') */ name FROM staff;
