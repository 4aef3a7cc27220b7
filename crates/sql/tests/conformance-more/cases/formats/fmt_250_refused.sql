-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DATE, `z` DATE, `p` DATE) WITH ('connector'='filesystem','format'='json','path'='${IN}/zoned.jsonl');
SELECT * FROM j;
