-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `x` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/wide_decimals.jsonl');
SELECT * FROM j;
