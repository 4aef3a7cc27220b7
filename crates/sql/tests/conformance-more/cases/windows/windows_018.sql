-- case: windows: SELECT rid, zone, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start,
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT rid, zone, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, zone ORDER BY ts DESC) AS rn FROM TABLE(TUMBLE(DATA => TABLE slack, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE))) WHERE rn = 1;
SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY zone, window_start, window_end;
SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY zone, window_start, window_end;
SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' DAY));
