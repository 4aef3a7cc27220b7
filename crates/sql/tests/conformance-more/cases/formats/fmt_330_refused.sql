-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DATE, `s` DATE) WITH ('connector'='filesystem','format'='json','path'='${IN}/phrases.jsonl');
SELECT * FROM j;
