-- case: SELECT n, sym, ts, LEAD(px, 1, -1) OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
-- compare: error
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE ticks (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT n, sym, ts, LEAD(px, 1, -1) OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
