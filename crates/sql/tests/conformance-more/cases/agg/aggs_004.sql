-- case: aggs: SELECT shop, VAR_SAMP(qty) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, VAR_SAMP(qty) AS x FROM sales GROUP BY shop;
SELECT shop, VARIANCE(amt) AS x FROM sales GROUP BY shop;
SELECT shop, COLLECT(item) AS x FROM sales GROUP BY shop;
SELECT shop, LISTAGG(item) AS x FROM sales GROUP BY shop;
SELECT shop, LISTAGG(item, '|') AS x FROM sales GROUP BY shop;
