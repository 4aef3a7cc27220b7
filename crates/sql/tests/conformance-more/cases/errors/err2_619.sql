-- case: SELECT CASE WHEN sid = 1 THEN 'a' ELSE 2 END FROM s;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT CASE WHEN sid = 1 THEN 'a' ELSE 2 END FROM s;
