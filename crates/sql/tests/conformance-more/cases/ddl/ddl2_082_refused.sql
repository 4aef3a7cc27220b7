-- case: CREATE DATABASE d; CREATE TABLE d.x (a INT) WITH ('connector'='datagen'); DROP DATABASE d;
-- compare: error
SET 'parallelism.default' = '1';
CREATE TABLE g (id BIGINT NOT NULL, v STRING COMMENT 'the value', n DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) COMMENT 'a table' WITH ('connector'='filesystem','path'='${OUT}/g','format'='json');
CREATE DATABASE d; CREATE TABLE d.x (a INT) WITH ('connector'='datagen'); DROP DATABASE d;
