-- case: CREATE VIEW v AS SELECT rid, ts + INTERVAL '1' SECOND AS t2 FROM r; SELECT window_start, COUNT(*) FROM TABLE(T
-- compare: error
CREATE TABLE r (rid INT, zone STRING, ts TIMESTAMP(3), l AS TO_TIMESTAMP_LTZ(rid, 3), p AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE VIEW v AS SELECT rid, ts + INTERVAL '1' SECOND AS t2 FROM r; SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(t2), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
