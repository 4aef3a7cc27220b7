-- case: windows: SELECT rid, zone, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start,
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT rid, zone, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, zone ORDER BY ts DESC) AS rn FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' DAY))) WHERE rn = 1;
SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE), TUMBLE_END(ts, INTERVAL '1' MINUTE), TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE), COUNT(*) FROM rides GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
SELECT zone, HOP_START(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE), HOP_END(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE), SUM(fare) FROM rides GROUP BY zone, HOP(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE);
SELECT zone, SESSION_START(ts, INTERVAL '20' SECOND), SESSION_END(ts, INTERVAL '20' SECOND), SESSION_ROWTIME(ts, INTERVAL '20' SECOND), COUNT(*) FROM rides GROUP BY zone, SESSION(ts, INTERVAL '20' SECOND);
