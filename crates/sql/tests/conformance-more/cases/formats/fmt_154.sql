-- case: SELECT * FROM m;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE m (a STRING, b STRING, c STRING, d STRING, e STRING) WITH ('connector'='filesystem','format'='csv','path'='${IN}/mixed.csv','csv.allow-comments'='true');
SELECT * FROM m;
