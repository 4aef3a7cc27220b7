-- case: SELECT TUMBLE_START(ts, INTERVAL '2' MINUTE) FROM r GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
-- compare: error
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT TUMBLE_START(ts, INTERVAL '2' MINUTE) FROM r GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
