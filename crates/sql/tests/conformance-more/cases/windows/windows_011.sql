-- case: windows: SELECT * FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT * FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND));
SELECT window_start, window_end, window_time, COUNT(DISTINCT zone) AS n, MAX(fare), MIN(rid), AVG(fare), LISTAGG(zone) FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND)) GROUP BY window_start, window_end, window_time;
SELECT window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND)) GROUP BY window_end;
SELECT window_start, window_end, zone, COUNT(*) FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND)) GROUP BY GROUPING SETS ((window_start, window_end, zone), (window_start, window_end));
