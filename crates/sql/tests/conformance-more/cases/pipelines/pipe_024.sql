-- case: SELECT a.shop, a.q, b.q FROM (SELECT shop, SUM(qty) q FROM s GROUP BY shop) a LEFT JOIN (SELECT shop, MAX(qty)
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT a.shop, a.q, b.q FROM (SELECT shop, SUM(qty) q FROM s GROUP BY shop) a LEFT JOIN (SELECT shop, MAX(qty) q FROM s WHERE amt > 4 GROUP BY shop) b ON a.shop = b.shop;
