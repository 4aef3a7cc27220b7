-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DATE, `big` DATE, `dec1` DATE, `f` DATE, `by1` DATE, `d` DATE, `tm` DATE, `ts` DATE, `b` DATE) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
