-- case: SELECT * FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'table.exec.source.cdc-events-duplicate' = 'true';
CREATE TABLE c (id INT, bin STRING, n INT, label STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
SELECT * FROM c;
