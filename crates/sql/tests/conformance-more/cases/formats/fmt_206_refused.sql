-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` INT, `x` INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/wide_decimals.jsonl');
SELECT * FROM j;
