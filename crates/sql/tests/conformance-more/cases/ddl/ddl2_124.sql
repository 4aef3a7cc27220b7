-- case: WITH q (x, y) AS (SELECT 1, 2), r AS (SELECT x + y AS z FROM q) SELECT * FROM q, r;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
WITH q (x, y) AS (SELECT 1, 2), r AS (SELECT x + y AS z FROM q) SELECT * FROM q, r;
