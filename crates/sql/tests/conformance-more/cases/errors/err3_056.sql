-- case: SELECT a.rid, b.rid FROM r a JOIN r b ON a.zone = b.zone AND a.ts BETWEEN b.ts - INTERVAL '10' SECOND AND b.ts
-- compare: append-unordered
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT a.rid, b.rid FROM r a JOIN r b ON a.zone = b.zone AND a.ts BETWEEN b.ts - INTERVAL '10' SECOND AND b.ts AND a.rid <> b.rid;
