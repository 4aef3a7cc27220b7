-- case: windows: SELECT rid FROM (SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINU
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE slack (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT rid FROM (SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS l WHERE l.zone IN (SELECT zone FROM (SELECT * FROM TABLE(TUMBLE(TABLE tips, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS r WHERE l.window_start = r.window_start AND l.window_end = r.window_end);
SELECT rid FROM (SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS l WHERE l.zone NOT IN (SELECT zone FROM (SELECT * FROM TABLE(TUMBLE(TABLE tips, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS r WHERE l.window_start = r.window_start AND l.window_end = r.window_end);
SELECT rid FROM (SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS l WHERE EXISTS (SELECT * FROM (SELECT * FROM TABLE(TUMBLE(TABLE tips, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS r WHERE l.zone = r.zone AND l.window_start = r.window_start AND l.window_end = r.window_end);
SELECT rid FROM (SELECT * FROM TABLE(TUMBLE(TABLE slack, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS l WHERE NOT EXISTS (SELECT * FROM (SELECT * FROM TABLE(TUMBLE(TABLE tips, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) AS r WHERE l.zone = r.zone AND l.window_start = r.window_start AND l.window_end = r.window_end);
