-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `z` TIMESTAMP(3), `p` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/zoned.jsonl');
SELECT * FROM j;
