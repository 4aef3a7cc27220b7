-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `v` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/broken.jsonl');
SELECT * FROM j;
