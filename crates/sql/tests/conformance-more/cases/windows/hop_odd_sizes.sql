-- case: HOP on its own and as a group window takes any slide
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT rid, window_start, window_end FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '25' SECOND, INTERVAL '1' MINUTE)) WHERE rid < 4;
SELECT rid, window_start, window_end FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '1' MINUTE));
SELECT HOP_START(ts, INTERVAL '25' SECOND, INTERVAL '1' MINUTE) AS s, COUNT(*) AS n FROM rides GROUP BY HOP(ts, INTERVAL '25' SECOND, INTERVAL '1' MINUTE);
SELECT HOP_START(ts, INTERVAL '90' SECOND, INTERVAL '1' MINUTE) AS s, COUNT(*) AS n FROM rides GROUP BY HOP(ts, INTERVAL '90' SECOND, INTERVAL '1' MINUTE);
