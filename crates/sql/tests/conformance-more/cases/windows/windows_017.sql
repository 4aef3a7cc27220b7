-- case: windows: SELECT window_start, window_end, window_time, COUNT(DISTINCT zone) AS n, MAX(fare), MIN(ri
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT window_start, window_end, window_time, COUNT(DISTINCT zone) AS n, MAX(fare), MIN(rid), AVG(fare), LISTAGG(zone) FROM TABLE(TUMBLE(DATA => TABLE slack, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;
SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE slack, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE)) GROUP BY window_end;
SELECT window_start, window_end, zone, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE slack, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE)) GROUP BY GROUPING SETS ((window_start, window_end, zone), (window_start, window_end));
SELECT * FROM (SELECT rid, zone, fare, window_start, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY fare DESC) AS rn FROM TABLE(TUMBLE(DATA => TABLE slack, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE))) WHERE rn <= 2;
