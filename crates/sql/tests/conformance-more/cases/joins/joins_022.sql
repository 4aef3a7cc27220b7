-- case: joins: SELECT o.oid, p.pid FROM orders o, pays p WHERE o.oid = p.oid AND p.pts > o.ots AND p.pts 
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE deptsc (did INT, title STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/depts_cdc.jsonl');
CREATE TABLE orders (oid INT, cust STRING, ots TIMESTAMP(3), WATERMARK FOR ots AS ots - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/orders.jsonl');
CREATE TABLE pays (pid INT, oid INT, pts TIMESTAMP(3), WATERMARK FOR pts AS pts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/pays.jsonl');
CREATE TABLE bills (bid INT, cur STRING, amt INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/bills.jsonl');
CREATE TABLE rates (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3), WATERMARK FOR since AS since - INTERVAL '1' HOUR, PRIMARY KEY (cur) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/rates_cdc.jsonl');
SELECT o.oid, p.pid FROM orders o, pays p WHERE o.oid = p.oid AND p.pts > o.ots AND p.pts <= o.ots + INTERVAL '1' HOUR AND o.cust <> 'm';
SELECT o.oid, p.pid FROM orders o JOIN pays p ON p.pts BETWEEN o.ots AND o.ots + INTERVAL '15' MINUTE;
SELECT o.oid FROM orders o WHERE EXISTS (SELECT 1 FROM pays p WHERE p.oid = o.oid AND p.pts BETWEEN o.ots AND o.ots + INTERVAL '15' MINUTE);
SELECT o.oid FROM orders o WHERE NOT EXISTS (SELECT 1 FROM pays p WHERE p.oid = o.oid AND p.pts BETWEEN o.ots AND o.ots + INTERVAL '15' MINUTE);
SELECT b.bid, r.rate FROM bills b JOIN rates FOR SYSTEM_TIME AS OF b.ts AS r ON b.cur = r.cur;
SELECT b.bid, r.rate FROM bills b LEFT JOIN rates FOR SYSTEM_TIME AS OF b.ts AS r ON b.cur = r.cur AND r.rate > 1.05;
