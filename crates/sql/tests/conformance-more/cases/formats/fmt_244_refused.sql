-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` DECIMAL(20,4), `z` DECIMAL(20,4), `p` DECIMAL(20,4)) WITH ('connector'='filesystem','format'='json','path'='${IN}/zoned.jsonl');
SELECT * FROM j;
