-- case: ORDER BY rowtime takes late rows that are not behind the last one that came out
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides10 (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT * FROM rides10 ORDER BY ts;
SELECT rid FROM rides10 ORDER BY ts, rid DESC;
