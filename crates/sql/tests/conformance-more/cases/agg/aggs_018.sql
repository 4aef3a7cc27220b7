-- case: aggs: SELECT shop FROM sales GROUP BY shop HAVING COUNT(DISTINCT item) > 1;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop FROM sales GROUP BY shop HAVING COUNT(DISTINCT item) > 1;
SELECT UPPER(shop), COUNT(*) FROM sales GROUP BY UPPER(shop);
SELECT shop || 'x', COUNT(*) FROM sales GROUP BY shop || 'x';
SELECT 1, COUNT(*) FROM sales GROUP BY 1;
SELECT shop, COUNT(*) + 1, SUM(qty) * 2 FROM sales GROUP BY shop;
