-- case: SELECT CAST(shop AS DOUBLE) FROM s;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT CAST(shop AS DOUBLE) FROM s;
