-- case: CREATE TABLE d (a INT) WITH ('connector'='datagen','fields.a.kind'='sequence','fields.a.start'='1','fields.a.e
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE d (a INT) WITH ('connector'='datagen','fields.a.kind'='sequence','fields.a.start'='1','fields.a.end'='10'); SELECT COUNT(*), SUM(a) FROM d;
