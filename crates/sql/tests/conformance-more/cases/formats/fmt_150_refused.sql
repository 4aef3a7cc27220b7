-- case: SELECT * FROM m;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE m (a INT, b STRING) WITH ('connector'='filesystem','format'='csv','path'='${IN}/mixed.csv','csv.allow-comments'='true');
SELECT * FROM m;
