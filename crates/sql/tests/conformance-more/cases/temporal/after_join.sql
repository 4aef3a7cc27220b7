-- case: a temporal join by a rowtime that went through a join of tables
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE TABLE bills (bid INT, cur STRING, amt INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/bills.jsonl');
CREATE TABLE rates (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3), WATERMARK FOR since AS since - INTERVAL '1' HOUR, PRIMARY KEY (cur) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/rates_cdc.jsonl');
SELECT x.bid, r.rate FROM (SELECT b.* FROM bills b JOIN depts d ON b.bid * 10 = d.did) x LEFT JOIN rates FOR SYSTEM_TIME AS OF x.ts AS r ON x.cur = r.cur;
