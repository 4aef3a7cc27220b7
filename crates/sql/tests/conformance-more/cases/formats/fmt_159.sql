-- case: SELECT * FROM m;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE m (a TINYINT, b CHAR(20), c FLOAT, d BOOLEAN, e STRING) WITH ('connector'='filesystem','format'='csv','path'='${IN}/mixed.csv','csv.allow-comments'='true','csv.ignore-parse-errors'='true');
SELECT * FROM m;
