-- case: SELECT * FROM (SELECT shop, q, ROW_NUMBER() OVER (ORDER BY q DESC, shop) AS r FROM (SELECT shop, SUM(qty) AS q
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT * FROM (SELECT shop, q, ROW_NUMBER() OVER (ORDER BY q DESC, shop) AS r FROM (SELECT shop, SUM(qty) AS q FROM s GROUP BY shop)) WHERE r <= 2;
