-- case: joins_p2: SELECT * FROM staff s JOIN depts d ON s.dept = d.did OR s.eid = d.did;
-- compare: append-unordered
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE deptsc (did INT, title STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/depts_cdc.jsonl');
CREATE TABLE orders (oid INT, cust STRING, ots TIMESTAMP(3), WATERMARK FOR ots AS ots - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/orders.jsonl');
CREATE TABLE pays (pid INT, oid INT, pts TIMESTAMP(3), WATERMARK FOR pts AS pts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/pays.jsonl');
CREATE TABLE bills (bid INT, cur STRING, amt INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/bills.jsonl');
CREATE TABLE rates (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3), WATERMARK FOR since AS since - INTERVAL '1' HOUR, PRIMARY KEY (cur) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/rates_cdc.jsonl');
SELECT * FROM staff s JOIN depts d ON s.dept = d.did OR s.eid = d.did;
SELECT * FROM staff s LEFT JOIN depts d ON FALSE;
SELECT o.oid, p.pid FROM orders o LEFT JOIN pays p ON o.oid = p.oid AND p.pts BETWEEN o.ots - INTERVAL '5' MINUTE AND o.ots + INTERVAL '15' MINUTE;
SELECT o.oid, p.pid FROM orders o, pays p WHERE o.oid = p.oid AND p.pts > o.ots AND p.pts <= o.ots + INTERVAL '1' HOUR AND o.cust <> 'm';
SELECT o.oid FROM orders o WHERE EXISTS (SELECT 1 FROM pays p WHERE p.oid = o.oid AND p.pts BETWEEN o.ots AND o.ots + INTERVAL '15' MINUTE);
SELECT b.bid, r.rate FROM bills b JOIN rates FOR SYSTEM_TIME AS OF b.ts AS r ON b.cur = r.cur;
