-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` INT, `ts` INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/old_times.jsonl');
SELECT * FROM j;
