-- case: aggs: SELECT DISTINCT shop, vip FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT DISTINCT shop, vip FROM sales;
SELECT COUNT(*) FROM (SELECT DISTINCT shop FROM sales);
SELECT vip, COUNT(*) FROM sales GROUP BY vip;
SELECT SUM(n) FROM (SELECT shop, COUNT(*) AS n FROM sales GROUP BY shop);
SELECT n, COUNT(*) FROM (SELECT shop, COUNT(*) AS n FROM sales GROUP BY shop) GROUP BY n;
