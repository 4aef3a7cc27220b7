-- case: aggregates without GROUP BY over what has no rows by its text: a constant row
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
SELECT COUNT(*) AS c FROM sales WHERE FALSE;
SELECT COUNT(*) AS c, SUM(qty) AS s, MAX(item) AS m, AVG(qty) AS a FROM sales WHERE 1 = 2;
SELECT COUNT(*) AS c FROM sales WHERE CAST(NULL AS BOOLEAN);
SELECT COUNT(*) AS c FROM (SELECT * FROM sales LIMIT 0);
SELECT COUNT(*) AS c FROM sales JOIN (SELECT * FROM staff WHERE FALSE) s ON TRUE;
SELECT COUNT(*) AS c, COUNT(s.eid) AS d FROM sales LEFT JOIN (SELECT * FROM staff WHERE FALSE) s ON s.eid = sid;
SELECT COUNT(*) AS c FROM (SELECT sid FROM sales WHERE FALSE UNION ALL SELECT eid FROM staff WHERE FALSE);
SELECT shop, COUNT(*) AS c FROM sales WHERE FALSE GROUP BY shop;
SELECT COUNT(*) AS c FROM sales WHERE FALSE HAVING COUNT(*) > 5;
SELECT eid, (SELECT COUNT(*) FROM depts WHERE FALSE) AS c FROM staff;
SELECT COUNT(*) AS c FROM (SELECT DISTINCT shop FROM sales WHERE FALSE);
