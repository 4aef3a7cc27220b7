-- case: STATE_TTL of both sides of a join
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT /*+ STATE_TTL('a' = '1 d', 'depts' = '2 h') */ a.name, title FROM staff AS a JOIN depts ON a.dept = did;
