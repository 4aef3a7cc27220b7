-- case: SELECT * FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'table.exec.source.cdc-events-duplicate' = 'true';
CREATE TABLE c (id INT, name STRING, w DECIMAL(6,2), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='ogg-json','path'='${IN}/parts_ogg.jsonl');
SELECT * FROM c;
