-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `s` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/text_numbers.jsonl');
SELECT * FROM j;
