-- case: GROUP BY in mini-batches
-- compare: changelog-final
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 s';
SET 'table.exec.mini-batch.size' = '100';
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT dept, COUNT(*), COUNT(DISTINCT name) FROM staff GROUP BY dept;
