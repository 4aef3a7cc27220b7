-- case: SELECT * FROM j;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE j (`k` INT, `s` INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/text_numbers.jsonl');
SELECT * FROM j;
