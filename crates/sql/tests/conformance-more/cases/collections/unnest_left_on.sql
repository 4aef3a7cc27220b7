-- case: LEFT JOIN UNNEST with a condition on the elements
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE stock (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE baskets (id INT, tags ARRAY<STRING>, qty MAP<STRING,INT>, addr ROW<city STRING, geo ROW<lat DOUBLE, lon DOUBLE>>, `lines` ARRAY<ROW<sku STRING, n INT>>) WITH ('connector'='filesystem','format'='json','path'='${IN}/baskets.jsonl');
SELECT id, t FROM baskets LEFT JOIN UNNEST(tags) AS x(t) ON x.t <> 'x';
SELECT e, x.t FROM (SELECT sid AS e, ARRAY[qty, sid] AS a FROM sales) LEFT JOIN UNNEST(a) AS x(t) ON x.t > 2 WHERE e < 5;
SELECT bin, x.t FROM (SELECT bin, ARRAY_AGG(n) AS a FROM stock GROUP BY bin) LEFT JOIN UNNEST(a) AS x(t) ON x.t > 20;
