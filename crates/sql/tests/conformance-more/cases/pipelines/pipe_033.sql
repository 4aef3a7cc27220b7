-- case: SELECT sid, qty, SUM(qty) OVER (ORDER BY sid) FROM s;
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT sid, qty, SUM(qty) OVER (ORDER BY sid) FROM s;
