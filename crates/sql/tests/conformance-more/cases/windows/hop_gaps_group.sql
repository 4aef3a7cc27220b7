-- case: a group window HOP whose slide is longer than its size
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT HOP_START(ts, INTERVAL '2' MINUTE, INTERVAL '1' MINUTE) AS s, COUNT(*) AS n FROM rides GROUP BY HOP(ts, INTERVAL '2' MINUTE, INTERVAL '1' MINUTE);
