-- case: SELECT * FROM x;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE o (m MAP<STRING, INT>) WITH ('connector'='filesystem','format'='json','path'='${OUT}/o');
INSERT INTO o SELECT MAP['a', 1, 'b', CAST(NULL AS INT)];
CREATE TABLE x (line STRING) WITH ('connector'='filesystem','format'='raw','path'='${OUT}/o');
SELECT * FROM x;
