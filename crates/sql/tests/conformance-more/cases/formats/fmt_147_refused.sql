-- case: SELECT * FROM m;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE m (a INT, b STRING, c DOUBLE, d BOOLEAN, e DATE) WITH ('connector'='filesystem','format'='csv','path'='${IN}/mixed.csv','csv.allow-comments'='true','csv.quote-character'='~');
SELECT * FROM m;
