-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DECIMAL(20,4), `v` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/broken.jsonl');
SELECT * FROM j;
