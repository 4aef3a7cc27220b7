-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` BIGINT, `ts` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/old_times.jsonl');
SELECT * FROM j;
