-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` TIMESTAMP(3), `s` TIMESTAMP(3)) WITH ('connector'='filesystem','format'='json','path'='${IN}/text_numbers.jsonl');
SELECT * FROM j;
