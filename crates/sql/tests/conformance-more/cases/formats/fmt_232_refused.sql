-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `b` TIMESTAMP(3), `d` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/wide_ints.jsonl');
SELECT * FROM j;
