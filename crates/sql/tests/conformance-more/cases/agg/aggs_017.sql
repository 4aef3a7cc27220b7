-- case: aggs: SELECT PERCENTILE(qty, 0.5) AS x FROM sales;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT PERCENTILE(qty, 0.5) AS x FROM sales;
SELECT shop, item, COUNT(*) AS n FROM sales GROUP BY GROUPING SETS ((shop), (item), ());
SELECT shop, item, GROUPING(shop), GROUPING(item), GROUPING_ID(shop, item), SUM(qty) FROM sales GROUP BY CUBE (shop, item);
SELECT shop, item, GROUP_ID(), SUM(qty) FROM sales GROUP BY ROLLUP (shop, item);
SELECT shop, COUNT(*) FROM sales GROUP BY shop HAVING SUM(qty) > 5;
