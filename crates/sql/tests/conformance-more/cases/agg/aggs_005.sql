-- case: aggs: SELECT shop, LISTAGG(DISTINCT item) AS x FROM sales GROUP BY shop;
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, LISTAGG(DISTINCT item) AS x FROM sales GROUP BY shop;
SELECT shop, ARRAY_AGG(qty) AS x FROM sales GROUP BY shop;
SELECT shop, ARRAY_AGG(DISTINCT item) AS x FROM sales GROUP BY shop;
SELECT shop, ARRAY_AGG(item) FILTER (WHERE qty > 1) AS x FROM sales GROUP BY shop;
SELECT shop, FIRST_VALUE(item) AS x FROM sales GROUP BY shop;
