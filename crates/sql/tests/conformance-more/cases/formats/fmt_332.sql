-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`id` STRING, `tags` STRING, `qty` STRING, `addr` STRING, `lines` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT * FROM j;
