-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` BIGINT, `v` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/broken.jsonl');
SELECT * FROM j;
