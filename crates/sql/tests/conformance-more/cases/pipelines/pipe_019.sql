-- case: CREATE TABLE d (a INT) WITH ('connector'='datagen','number-of-rows'='3','fields.a.null-rate'='1.0'); SELECT a 
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE d (a INT) WITH ('connector'='datagen','number-of-rows'='3','fields.a.null-rate'='1.0'); SELECT a FROM d;
