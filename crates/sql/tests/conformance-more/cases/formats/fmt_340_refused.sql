-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`id` DECIMAL(20,4), `tags` DECIMAL(20,4), `qty` DECIMAL(20,4), `addr` DECIMAL(20,4), `lines` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT * FROM j;
