-- case: SELECT COUNT(*) FROM c;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, v STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/envelope_cdc.jsonl','debezium-json.ignore-parse-errors'='true');
SELECT COUNT(*) FROM c;
