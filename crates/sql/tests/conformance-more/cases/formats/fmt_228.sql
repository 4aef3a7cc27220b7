-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DECIMAL(20,4), `b` DECIMAL(20,4), `d` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/wide_ints.jsonl');
SELECT * FROM j;
