-- case: aggs: SELECT MAX(n), MIN(n), AVG(n) FROM (SELECT item, COUNT(*) AS n FROM sales GROUP BY item);
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT MAX(n), MIN(n), AVG(n) FROM (SELECT item, COUNT(*) AS n FROM sales GROUP BY item);
SELECT LISTAGG(shop) FROM (SELECT shop, MAX(qty) AS n FROM sales GROUP BY shop) WHERE n > 2;
SELECT COLLECT(n) FROM (SELECT item, COUNT(*) AS n FROM sales GROUP BY item);
SELECT STDDEV_POP(n), VAR_SAMP(n) FROM (SELECT item, SUM(qty) AS n FROM sales GROUP BY item);
SELECT COUNT(DISTINCT n), SUM(DISTINCT n) FROM (SELECT item, COUNT(*) AS n FROM sales GROUP BY item);
