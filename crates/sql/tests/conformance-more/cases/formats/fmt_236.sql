-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `z` STRING, `p` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/zoned.jsonl');
SELECT * FROM j;
