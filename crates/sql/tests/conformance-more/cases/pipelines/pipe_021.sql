-- case: CREATE VIEW v1 AS SELECT * FROM s WHERE qty > 1; CREATE VIEW v2 AS SELECT shop, COUNT(*) c FROM v1 GROUP BY sh
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE VIEW v1 AS SELECT * FROM s WHERE qty > 1; CREATE VIEW v2 AS SELECT shop, COUNT(*) c FROM v1 GROUP BY shop; SELECT * FROM v2 WHERE c > 1;
