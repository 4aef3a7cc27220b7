-- case: SELECT MAX(id), MIN(id) FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'table.exec.source.cdc-events-duplicate' = 'true';
CREATE TABLE c (id INT, name STRING, w DECIMAL(6,2), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='canal-json','path'='${IN}/parts_canal.jsonl');
SELECT MAX(id), MIN(id) FROM c;
