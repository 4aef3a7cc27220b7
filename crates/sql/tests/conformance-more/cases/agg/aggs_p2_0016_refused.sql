-- case: SELECT shop, AVG(item) AS x FROM sales GROUP BY shop;
-- compare: error
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, AVG(item) AS x FROM sales GROUP BY shop;
