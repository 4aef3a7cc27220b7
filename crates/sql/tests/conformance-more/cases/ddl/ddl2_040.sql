-- case: ALTER TABLE g DROP PRIMARY KEY; DESCRIBE g;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
ALTER TABLE g DROP PRIMARY KEY; DESCRIBE g;
