-- case: SELECT * FROM x;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, name STRING, w DECIMAL(6,2), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='canal-json','path'='${IN}/parts_canal.jsonl');
CREATE TABLE o (id INT, name STRING, w DECIMAL(6,2)) WITH ('connector'='filesystem','format'='ogg-json','path'='${OUT}/o');
INSERT INTO o SELECT * FROM c;
CREATE TABLE x (line STRING) WITH ('connector'='filesystem','format'='raw','path'='${OUT}/o');
SELECT * FROM x;
