-- case: SELECT shop, COUNT(*) FILTER (WHERE qty > 1) * 1.0 / COUNT(*) FROM s GROUP BY shop;
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, COUNT(*) FILTER (WHERE qty > 1) * 1.0 / COUNT(*) FROM s GROUP BY shop;
