-- case: SELECT * FROM c ORDER BY id LIMIT 2;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (id INT, name STRING, w DECIMAL(6,2), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='filesystem','format'='ogg-json','path'='${IN}/parts_ogg.jsonl');
SELECT * FROM c ORDER BY id LIMIT 2;
