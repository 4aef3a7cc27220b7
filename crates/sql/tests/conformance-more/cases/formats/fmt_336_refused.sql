-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`id` BIGINT, `tags` BIGINT, `qty` BIGINT, `addr` BIGINT, `lines` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT * FROM j;
