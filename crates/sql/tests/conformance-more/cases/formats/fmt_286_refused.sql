-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` INT, `big` INT, `dec1` INT, `f` INT, `by1` INT, `d` INT, `tm` INT, `ts` INT, `b` INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
