-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`id` DOUBLE, `tags` DOUBLE, `qty` DOUBLE, `addr` DOUBLE, `lines` DOUBLE) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT * FROM j;
