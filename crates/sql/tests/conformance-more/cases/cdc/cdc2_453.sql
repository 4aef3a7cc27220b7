-- case: SELECT MAX(id), MIN(id) FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, name STRING, w DECIMAL(6,2), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='maxwell-json','path'='${IN}/parts_maxwell.jsonl');
SELECT MAX(id), MIN(id) FROM c;
