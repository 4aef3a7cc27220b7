-- case: SELECT * FROM x;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, bin STRING, n INT, label STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE o (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='canal-json','path'='${OUT}/o');
INSERT INTO o SELECT * FROM c;
CREATE TABLE x (line STRING) WITH ('connector'='filesystem','format'='raw','path'='${OUT}/o');
SELECT * FROM x;
