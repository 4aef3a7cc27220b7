-- case: INSERT INTO o SELECT sid, shop FROM s; SELECT * FROM o WHERE shop = 'north';
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE o (sid INT, shop STRING) PARTITIONED BY (shop) WITH ('connector'='filesystem','format'='json','path'='${OUT}/o');
INSERT INTO o SELECT sid, shop FROM s; SELECT * FROM o WHERE shop = 'north';
