-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` BIGINT, `b` BIGINT, `d` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/wide_ints.jsonl');
SELECT * FROM j;
