-- case: INSERT INTO g WITH q AS (SELECT 5 AS a) SELECT a, 'q', 1 FROM q; SELECT * FROM g;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
INSERT INTO g WITH q AS (SELECT 5 AS a) SELECT a, 'q', 1 FROM q; SELECT * FROM g;
