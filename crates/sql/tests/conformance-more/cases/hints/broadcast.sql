-- case: a join hint of batch mode
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT /*+ BROADCAST(a) */ a.name FROM staff AS a JOIN staff AS b ON a.boss = b.eid;
