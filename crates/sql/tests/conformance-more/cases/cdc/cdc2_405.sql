-- case: SELECT * FROM c ORDER BY id LIMIT 2;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, bin STRING, n INT, label STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
SELECT * FROM c ORDER BY id LIMIT 2;
