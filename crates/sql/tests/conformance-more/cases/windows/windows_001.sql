-- case: windows: SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(TUMBLE(TAB
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY zone, window_start, window_end;
SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY zone, window_start, window_end;
SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
SELECT window_start, window_end, window_time, COUNT(DISTINCT zone) AS n, MAX(fare), MIN(rid), AVG(fare), LISTAGG(zone) FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;
