-- case: aggs: SELECT shop, COUNT(*) AS `count`, SUM(amt) AS `sum` FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, COUNT(*) AS `count`, SUM(amt) AS `sum` FROM sales GROUP BY shop;
SELECT AVG(DISTINCT qty) FROM sales;
SELECT shop, AVG(amt) FROM sales GROUP BY shop;
