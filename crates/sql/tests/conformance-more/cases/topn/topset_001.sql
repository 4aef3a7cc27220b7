-- case: topset: SELECT n, team, who, pts, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(6,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE stock (id INT, bin STRING, n INT, label STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/stock_cdc.jsonl');
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
SELECT n, team, who, pts, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY pts DESC) AS rn FROM scores) WHERE rn <= 2;
SELECT n, team, who FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY pts DESC) AS rn FROM scores) WHERE rn <= 2;
SELECT n, team, who, pts, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY pts) AS rn FROM scores) WHERE rn <= 2;
SELECT n, team, who FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY pts) AS rn FROM scores) WHERE rn <= 2;
SELECT n, team, who, pts, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY pts DESC, who) AS rn FROM scores) WHERE rn <= 2;
