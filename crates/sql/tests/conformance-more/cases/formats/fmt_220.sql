-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `b` STRING, `d` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/wide_ints.jsonl');
SELECT * FROM j;
