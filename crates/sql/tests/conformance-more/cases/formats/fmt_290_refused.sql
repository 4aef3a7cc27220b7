-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DOUBLE, `big` DOUBLE, `dec1` DOUBLE, `f` DOUBLE, `by1` DOUBLE, `d` DOUBLE, `tm` DOUBLE, `ts` DOUBLE, `b` DOUBLE) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
