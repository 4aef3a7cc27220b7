-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` BIGINT, `s` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/phrases.jsonl');
SELECT * FROM j;
