-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DOUBLE, `z` DOUBLE, `p` DOUBLE) WITH ('connector'='filesystem','format'='json','path'='${IN}/zoned.jsonl');
SELECT * FROM j;
