-- case: SELECT * FROM m;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE m (a INT, b STRING, c DOUBLE, d BOOLEAN, e DATE) WITH ('connector'='filesystem','format'='csv','path'='${IN}/mixed.csv','csv.allow-comments'='true','csv.disable-quote-character'='true');
SELECT * FROM m;
