-- case: aggs: SELECT shop, AVG(qty) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, AVG(qty) AS x FROM sales GROUP BY shop;
SELECT shop, AVG(amt) AS x FROM sales GROUP BY shop;
SELECT shop, MIN(amt) AS x FROM sales GROUP BY shop;
SELECT shop, MAX(item) AS x FROM sales GROUP BY shop;
SELECT shop, MIN(vip) AS x FROM sales GROUP BY shop;
