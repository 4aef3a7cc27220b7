-- case: BEGIN STATEMENT SET; INSERT INTO g VALUES (1,'a',1); INSERT INTO g VALUES (2,'b',2); END; SELECT * FROM g;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
BEGIN STATEMENT SET; INSERT INTO g VALUES (1,'a',1); INSERT INTO g VALUES (2,'b',2); END; SELECT * FROM g;
