-- case: SELECT id, COUNT(*) FROM c GROUP BY id;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl','debezium-json.ignore-parse-errors'='true');
SELECT id, COUNT(*) FROM c GROUP BY id;
