-- case: SELECT * FROM m;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE m (a INT, b STRING, c DOUBLE, d BOOLEAN, e DATE) WITH ('connector'='filesystem','format'='csv','path'='${IN}/mixed.csv','csv.ignore-parse-errors'='true','csv.allow-comments'='true','csv.null-literal'='');
SELECT * FROM m;
