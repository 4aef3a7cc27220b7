-- case: joins_p2: SELECT eid, (SELECT MAX(title) FROM depts AS r WHERE r.did = l.dept) AS t FROM staffc AS l
-- compare: changelog-final
CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH ('connector'='filesystem','format'='json','path'='${IN}/staff.jsonl');
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE TABLE staffc (eid INT, name STRING, dept INT) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/staff_cdc.jsonl');
CREATE TABLE deptsc (did INT, title STRING) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/depts_cdc.jsonl');
CREATE TABLE orders (oid INT, cust STRING, ots TIMESTAMP(3), WATERMARK FOR ots AS ots - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/orders.jsonl');
CREATE TABLE pays (pid INT, oid INT, pts TIMESTAMP(3), WATERMARK FOR pts AS pts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/pays.jsonl');
CREATE TABLE bills (bid INT, cur STRING, amt INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/bills.jsonl');
CREATE TABLE rates (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3), WATERMARK FOR since AS since - INTERVAL '1' HOUR, PRIMARY KEY (cur) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/rates_cdc.jsonl');
SELECT eid, (SELECT MAX(title) FROM depts AS r WHERE r.did = l.dept) AS t FROM staffc AS l;
SELECT l.eid, r.did FROM staffc AS l CROSS JOIN depts AS r WHERE l.dept = r.did;
SELECT a.name, b.name FROM staff AS a JOIN staff AS b ON a.boss = b.eid;
SELECT * FROM staff JOIN depts ON dept = did;
SELECT * FROM staff NATURAL JOIN (SELECT did AS dept, title FROM depts);
SELECT dept, eid FROM staff s JOIN depts d ON CAST(s.dept AS STRING) = CAST(d.did AS STRING);
