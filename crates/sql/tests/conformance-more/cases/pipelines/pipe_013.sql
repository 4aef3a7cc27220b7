-- case: INSERT INTO o PARTITION (shop='z') SELECT sid FROM s; SELECT * FROM o;
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE o (sid INT, shop STRING) PARTITIONED BY (shop) WITH ('connector'='filesystem','format'='csv','path'='${OUT}/o');
INSERT INTO o PARTITION (shop='z') SELECT sid FROM s; SELECT * FROM o;
