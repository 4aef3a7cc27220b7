-- case: SELECT * FROM x;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE c (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3), PRIMARY KEY (cur) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/rates_cdc.jsonl');
CREATE TABLE o (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3)) WITH ('connector'='filesystem','format'='ogg-json','path'='${OUT}/o');
INSERT INTO o SELECT * FROM c;
CREATE TABLE x (line STRING) WITH ('connector'='filesystem','format'='raw','path'='${OUT}/o');
SELECT * FROM x;
