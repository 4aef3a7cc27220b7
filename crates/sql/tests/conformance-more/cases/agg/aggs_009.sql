-- case: aggs: SELECT shop, MAX(qty) - MIN(qty) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, MAX(qty) - MIN(qty) AS x FROM sales GROUP BY shop;
SELECT shop, JSON_ARRAYAGG(item) AS x FROM sales GROUP BY shop;
SELECT shop, SUM(1) AS x FROM sales GROUP BY shop;
SELECT shop, MAX(DATE '2024-01-01') AS x FROM sales GROUP BY shop;
SELECT COUNT(*) AS x FROM sales;
