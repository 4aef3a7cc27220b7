-- case: aggs: SELECT shop, MAX(vip) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, MAX(vip) AS x FROM sales GROUP BY shop;
SELECT shop, STDDEV_POP(amt) AS x FROM sales GROUP BY shop;
SELECT shop, STDDEV_SAMP(qty) AS x FROM sales GROUP BY shop;
SELECT shop, STDDEV(qty) AS x FROM sales GROUP BY shop;
SELECT shop, VAR_POP(amt) AS x FROM sales GROUP BY shop;
