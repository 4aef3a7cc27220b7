-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `ms` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/instants.jsonl');
SELECT * FROM j;
