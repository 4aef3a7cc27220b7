-- case: INSERT INTO g VALUES (1, 'x', 123456789012.5); SELECT * FROM g;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
INSERT INTO g VALUES (1, 'x', 123456789012.5); SELECT * FROM g;
