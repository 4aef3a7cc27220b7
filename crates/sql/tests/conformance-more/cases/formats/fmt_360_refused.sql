-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `v` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/broken.jsonl');
SELECT * FROM j;
