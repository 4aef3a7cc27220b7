-- case: windows_p2: SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(CUMULATE(T
-- compare: changelog-final
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE)) GROUP BY zone, window_start, window_end;
SELECT window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE)) GROUP BY window_end;
SELECT * FROM (SELECT rid, zone, fare, window_start, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY fare DESC) AS rn FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))) WHERE rn <= 2;
SELECT zone, window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(CUMULATE(TABLE slack, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND)) GROUP BY zone, window_start, window_end;
