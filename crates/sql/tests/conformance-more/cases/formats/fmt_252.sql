-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `ms` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/instants.jsonl');
SELECT * FROM j;
