-- case: windows: WITH w AS (SELECT zone, window_start, window_end, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE s
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
WITH w AS (SELECT zone, window_start, window_end, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY zone, window_start, window_end) SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC) AS rn FROM w) WHERE rn <= 1;
SELECT window_start, window_end, MAX(s) FROM (SELECT zone, window_start, window_end, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY zone, window_start, window_end) GROUP BY window_start, window_end;
SELECT window_start, window_end, SUM(s) FROM TABLE(TUMBLE((SELECT window_time AS wt, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, window_time), DESCRIPTOR(wt), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
SELECT zone, window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY zone, window_start;
