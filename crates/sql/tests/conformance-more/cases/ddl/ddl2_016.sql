-- case: SHOW USER FUNCTIONS;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE t (a INT, b STRING, c AS a + 1, d TIMESTAMP(3), WATERMARK FOR d AS d - INTERVAL '5' SECOND) WITH ('connector'='datagen','number-of-rows'='1');
SHOW USER FUNCTIONS;
