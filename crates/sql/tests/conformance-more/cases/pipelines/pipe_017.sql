-- case: CREATE TABLE d (a INT, b DECIMAL(5,2), e DOUBLE) WITH ('connector'='datagen','number-of-rows'='20','fields.a.m
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE d (a INT, b DECIMAL(5,2), e DOUBLE) WITH ('connector'='datagen','number-of-rows'='20','fields.a.min'='3','fields.a.max'='4'); SELECT MIN(a) >= 3, MAX(a) <= 4, COUNT(*) FROM d;
