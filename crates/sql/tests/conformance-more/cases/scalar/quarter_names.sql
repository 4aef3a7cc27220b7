-- case: quarters in DATE_FORMAT
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT rid, DATE_FORMAT(ts, 'Q QQ QQQ QQQQ') AS a FROM rides WHERE rid < 3;
