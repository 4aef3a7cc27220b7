-- case: windows: SELECT zone, COUNT(*) FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT zone, COUNT(*) FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY zone;
SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '40' SECOND, INTERVAL '1' MINUTE));
SELECT window_start, window_end, COUNT(*) FILTER (WHERE zone = 'A') AS a, SUM(DISTINCT fare) FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end HAVING COUNT(*) > 1;
SELECT window_start, window_end, FIRST_VALUE(rid), LAST_VALUE(rid), COLLECT(zone), ARRAY_AGG(rid) FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
