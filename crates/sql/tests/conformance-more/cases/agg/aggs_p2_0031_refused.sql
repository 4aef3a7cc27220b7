-- case: SELECT shop s, COUNT(*) FROM sales GROUP BY s;
-- compare: error
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop s, COUNT(*) FROM sales GROUP BY s;
