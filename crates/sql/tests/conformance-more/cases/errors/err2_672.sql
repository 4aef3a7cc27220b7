-- case: CREATE FUNCTION f AS 'x.y.Z'; SELECT f(1);
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE FUNCTION f AS 'x.y.Z'; SELECT f(1);
