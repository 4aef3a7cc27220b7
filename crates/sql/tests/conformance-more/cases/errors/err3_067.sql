-- case: CREATE VIEW v AS SELECT rid, ts + INTERVAL '1' SECOND AS ts FROM r; SELECT window_start, COUNT(*) FROM TABLE(T
-- compare: error
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE VIEW v AS SELECT rid, ts + INTERVAL '1' SECOND AS ts FROM r; SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
