-- case: aggs_p2: SELECT STDDEV_SAMP(qty) AS x FROM sales;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT STDDEV_SAMP(qty) AS x FROM sales;
SELECT VAR_SAMP(qty) AS x FROM sales;
SELECT COUNT(*) FILTER (WHERE vip IS NULL) AS x FROM sales;
SELECT SUM(CAST(qty AS TINYINT)) AS x FROM sales;
SELECT SUM(CAST(qty AS FLOAT)) AS x FROM sales;
