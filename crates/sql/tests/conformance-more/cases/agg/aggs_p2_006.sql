-- case: aggs_p2: SELECT STDDEV_POP(n), VAR_SAMP(n) FROM (SELECT item, SUM(qty) AS n FROM sales GROUP BY ite
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT STDDEV_POP(n), VAR_SAMP(n) FROM (SELECT item, SUM(qty) AS n FROM sales GROUP BY item);
SELECT COUNT(*), SUM(qty), AVG(qty), MIN(qty) FROM sales WHERE qty > 1000;
SELECT AVG(DISTINCT qty) FROM sales;
