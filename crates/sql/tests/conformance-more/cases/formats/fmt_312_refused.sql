-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `ts` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/null_times.jsonl');
SELECT * FROM j;
