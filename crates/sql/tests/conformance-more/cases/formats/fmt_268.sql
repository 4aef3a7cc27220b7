-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `ts` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/old_times.jsonl');
SELECT * FROM j;
