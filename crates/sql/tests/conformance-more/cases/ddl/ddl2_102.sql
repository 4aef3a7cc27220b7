-- case: CREATE TABLE x WITH ('connector'='filesystem','path'='${OUT}/x','format'='csv') AS SELECT sid, shop FROM (VALU
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
CREATE TABLE x WITH ('connector'='filesystem','path'='${OUT}/x','format'='csv') AS SELECT sid, shop FROM (VALUES (1,'a'),(2,CAST(NULL AS STRING))) AS q(sid, shop); SELECT * FROM x;
