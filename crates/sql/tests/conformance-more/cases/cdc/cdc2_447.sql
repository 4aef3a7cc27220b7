-- case: SELECT * FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, name STRING, w DECIMAL(6,2)) WITH ('connector'='filesystem','format'='maxwell-json','path'='${IN}/parts_maxwell.jsonl','maxwell-json.ignore-parse-errors'='true');
SELECT * FROM c;
