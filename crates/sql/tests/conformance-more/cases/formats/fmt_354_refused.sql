-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DOUBLE, `v` DOUBLE) WITH ('connector'='filesystem','format'='json','path'='${IN}/broken.jsonl');
SELECT * FROM j;
