-- case: SELECT * FROM j;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` STRING, `big` STRING, `dec1` STRING, `f` STRING, `by1` STRING, `d` STRING, `tm` STRING, `ts` STRING, `b` STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/extremes.jsonl');
SELECT * FROM j;
