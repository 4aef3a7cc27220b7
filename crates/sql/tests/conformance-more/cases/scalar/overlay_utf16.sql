-- case: OVERLAY counts UTF-16 units
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE phrases (k INT, s STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/phrases.jsonl');
SELECT k, OVERLAY(s PLACING '###' FROM 3 FOR 2) AS f, OVERLAY(s PLACING '#' FROM -1) AS g, OVERLAY(s PLACING 'XX' FROM 2) AS h FROM phrases;
