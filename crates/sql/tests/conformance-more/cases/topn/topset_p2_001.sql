-- case: topset_p2: SELECT * FROM scores ORDER BY ts;
-- compare: changelog-final
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE stock (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT * FROM scores ORDER BY ts;
SELECT * FROM scores ORDER BY pts LIMIT 3;
SELECT n FROM scores ORDER BY pts DESC, n LIMIT 2 OFFSET 1;
SELECT n FROM scores ORDER BY pts DESC, n OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY;
SELECT n FROM scores LIMIT 3;
