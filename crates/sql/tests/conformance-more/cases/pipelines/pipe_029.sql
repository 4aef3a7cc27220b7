-- case: SELECT sid FROM s WHERE qty > (SELECT AVG(qty) FROM s);
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT sid FROM s WHERE qty > (SELECT AVG(qty) FROM s);
