-- case: SELECT a.rid FROM r a JOIN r b ON a.rid = b.rid AND a.ts = b.ts;
-- compare: append-unordered
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT a.rid FROM r a JOIN r b ON a.rid = b.rid AND a.ts = b.ts;
