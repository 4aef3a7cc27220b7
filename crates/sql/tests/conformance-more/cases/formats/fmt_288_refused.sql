-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` BIGINT, `big` BIGINT, `dec1` BIGINT, `f` BIGINT, `by1` BIGINT, `d` BIGINT, `tm` BIGINT, `ts` BIGINT, `b` BIGINT) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
