-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DECIMAL(20,4), `big` DECIMAL(20,4), `dec1` DECIMAL(20,4), `f` DECIMAL(20,4), `by1` DECIMAL(20,4), `d` DECIMAL(20,4), `tm` DECIMAL(20,4), `ts` DECIMAL(20,4), `b` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
