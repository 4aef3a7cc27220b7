-- case: JSON_OBJECTAGG gives its keys in order
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE sales (sid INT, shop STRING, item STRING, qty INT, amt DECIMAL(8,2), vip BOOLEAN) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
CREATE TABLE scans (scan INT, parcel STRING, hub STRING, grams INT, tags ARRAY<STRING>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/scans.jsonl');
SELECT JSON_OBJECTAGG(KEY CONCAT('key', CAST(sid AS STRING)) VALUE qty) AS x FROM sales;
SELECT JSON_OBJECTAGG(KEY CONCAT('a', CAST(n AS STRING), who, 'zzéz') VALUE n) AS x FROM scores;
SELECT JSON_OBJECTAGG(KEY CAST(scan AS STRING) VALUE hub) AS x FROM scans WHERE scan < 30;
SELECT window_start, JSON_OBJECTAGG(KEY CAST(rid AS STRING) VALUE fare) AS x FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
