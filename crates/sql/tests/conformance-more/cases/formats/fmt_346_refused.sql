-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`id` DATE, `tags` DATE, `qty` DATE, `addr` DATE, `lines` DATE) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT * FROM j;
