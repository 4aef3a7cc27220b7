-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`id` TIMESTAMP(3), `tags` TIMESTAMP(3), `qty` TIMESTAMP(3), `addr` TIMESTAMP(3), `lines` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT * FROM j;
