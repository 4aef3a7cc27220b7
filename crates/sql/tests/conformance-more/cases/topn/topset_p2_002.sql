-- case: topset_p2: SELECT n FROM scores FETCH FIRST 2 ROWS ONLY;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE stock (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT n FROM scores FETCH FIRST 2 ROWS ONLY;
SELECT n FROM scores LIMIT 0;
SELECT team, SUM(pts) AS s FROM scores GROUP BY team ORDER BY s DESC LIMIT 1;
SELECT team, SUM(pts) AS s FROM scores GROUP BY team ORDER BY SUM(pts) DESC LIMIT 2;
SELECT team, s FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY s DESC) AS rn FROM (SELECT team, SUM(pts) AS s FROM scores GROUP BY team)) WHERE rn <= 2;
