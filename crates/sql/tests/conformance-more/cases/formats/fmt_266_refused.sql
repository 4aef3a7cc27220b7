-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DATE, `ms` DATE) WITH ('connector'='filesystem','format'='json','path'='${IN}/instants.jsonl');
SELECT * FROM j;
