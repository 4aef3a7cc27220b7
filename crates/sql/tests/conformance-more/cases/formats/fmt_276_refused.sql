-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DECIMAL(20,4), `ts` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/old_times.jsonl');
SELECT * FROM j;
