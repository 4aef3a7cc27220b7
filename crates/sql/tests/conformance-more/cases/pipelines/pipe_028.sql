-- case: SELECT COUNT(*) FROM s WHERE shop IN (SELECT shop FROM s WHERE qty > 2);
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT COUNT(*) FROM s WHERE shop IN (SELECT shop FROM s WHERE qty > 2);
