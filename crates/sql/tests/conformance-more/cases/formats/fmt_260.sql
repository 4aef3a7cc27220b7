-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DECIMAL(20,4), `ms` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/instants.jsonl');
SELECT * FROM j;
