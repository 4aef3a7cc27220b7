-- case: SELECT zone, TUMBLE_START(ts, INTERVAL '1' MINUTE) FROM r GROUP BY zone;
-- compare: error
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT zone, TUMBLE_START(ts, INTERVAL '1' MINUTE) FROM r GROUP BY zone;
