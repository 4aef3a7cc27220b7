-- case: INSERT INTO g SELECT 1, 2, 3;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
INSERT INTO g SELECT 1, 2, 3;
