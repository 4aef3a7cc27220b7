-- case: CREATE TABLE d (a INT, b BIGINT, c STRING, t TIMESTAMP(3)) WITH ('connector'='datagen','number-of-rows'='5','f
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE d (a INT, b BIGINT, c STRING, t TIMESTAMP(3)) WITH ('connector'='datagen','number-of-rows'='5','fields.a.kind'='sequence','fields.a.start'='1','fields.a.end'='5','fields.c.length'='3'); SELECT a, b IS NULL, CHAR_LENGTH(c) FROM d;
