-- case: SELECT shop, MAX(amt) - MIN(amt), SUM(amt) / SUM(qty) FROM s WHERE shop IS NOT NULL GROUP BY shop;
-- compare: error
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, MAX(amt) - MIN(amt), SUM(amt) / SUM(qty) FROM s WHERE shop IS NOT NULL GROUP BY shop;
