-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` BIGINT, `ms` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/instants.jsonl');
SELECT * FROM j;
