-- case: INSERT INTO o SELECT sid, shop FROM s; INSERT OVERWRITE o SELECT 1, 'x'; SELECT * FROM o;
-- compare: error
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE o (sid INT, shop STRING) WITH ('connector'='filesystem','format'='json','path'='${OUT}/o');
INSERT INTO o SELECT sid, shop FROM s; INSERT OVERWRITE o SELECT 1, 'x'; SELECT * FROM o;
