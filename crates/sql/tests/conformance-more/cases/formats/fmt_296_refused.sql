-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `big` TIMESTAMP(3), `dec1` TIMESTAMP(3), `f` TIMESTAMP(3), `by1` TIMESTAMP(3), `d` TIMESTAMP(3), `tm` TIMESTAMP(3), `ts` TIMESTAMP(3), `b` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
