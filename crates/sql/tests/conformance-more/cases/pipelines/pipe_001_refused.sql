-- case: INSERT INTO o SELECT shop, COUNT(*) FROM s GROUP BY shop; SELECT * FROM o;
-- compare: error
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE o (shop STRING, n BIGINT) WITH ('connector'='filesystem','format'='json','path'='${OUT}/o');
INSERT INTO o SELECT shop, COUNT(*) FROM s GROUP BY shop; SELECT * FROM o;
