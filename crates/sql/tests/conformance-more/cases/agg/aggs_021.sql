-- case: aggs: SELECT PERCENTILE(n, 0.5) FROM (SELECT item, COUNT(*) AS n FROM sales GROUP BY item);
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT PERCENTILE(n, 0.5) FROM (SELECT item, COUNT(*) AS n FROM sales GROUP BY item);
SELECT COUNT(*), SUM(qty), AVG(qty), MIN(qty) FROM sales WHERE qty > 1000;
SELECT shop, COUNT(*) FROM sales WHERE qty > 1000 GROUP BY shop;
SELECT shop, SUM(qty) OVER (ORDER BY sid) FROM sales;
SELECT CASE WHEN COUNT(*) > 3 THEN 'many' ELSE 'few' END FROM sales GROUP BY shop;
