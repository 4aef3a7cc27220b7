-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DATE, `ts` DATE) WITH ('connector'='filesystem','format'='json','path'='${IN}/null_times.jsonl');
SELECT * FROM j;
