-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DOUBLE, `s` DOUBLE) WITH ('connector'='filesystem','format'='json','path'='${IN}/phrases.jsonl');
SELECT * FROM j;
