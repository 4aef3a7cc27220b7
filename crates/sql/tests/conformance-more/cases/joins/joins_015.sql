-- case: joins: SELECT l.eid, l.name, r.title FROM staffc AS l JOIN depts AS r ON l.dept = r.did;
-- compare: changelog-final
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
SELECT l.eid, l.name, r.title FROM staffc AS l JOIN depts AS r ON l.dept = r.did;
SELECT l.eid, r.title FROM staffc AS l JOIN depts AS r ON l.dept = r.did AND r.title <> 'Tools' AND l.eid > 1;
SELECT l.eid, r.did FROM staffc AS l JOIN depts AS r ON l.dept < r.did;
SELECT r.title, COUNT(*) AS n FROM staffc AS l JOIN depts AS r ON l.dept = r.did GROUP BY r.title;
SELECT l.eid, l.name, r.title FROM staffc AS l LEFT JOIN depts AS r ON l.dept = r.did;
SELECT l.eid, r.title FROM staffc AS l LEFT JOIN depts AS r ON l.dept = r.did AND r.title <> 'Tools' AND l.eid > 1;
