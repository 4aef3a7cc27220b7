-- case: CREATE VIEW v AS SELECT shop, SUM(qty) AS q FROM s GROUP BY shop; SELECT v.shop, v.q, t.sid FROM v JOIN s AS t
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE VIEW v AS SELECT shop, SUM(qty) AS q FROM s GROUP BY shop; SELECT v.shop, v.q, t.sid FROM v JOIN s AS t ON v.shop = t.shop;
