-- case: over: SELECT n, sym, ts, SUM(px) OVER (PARTITION BY px % 2 ORDER BY ts) AS x FROM ticks;
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE ticks (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT n, sym, ts, SUM(px) OVER (PARTITION BY px % 2 ORDER BY ts) AS x FROM ticks;
SELECT n, sym, ts, COUNT(*) OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
SELECT n, sym, COUNT(*) OVER (PARTITION BY sym ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS x FROM ticks;
SELECT n, sym, COUNT(*) OVER (PARTITION BY sym ORDER BY n) AS x FROM ticks;
SELECT n, sym, ts, COUNT(DISTINCT px) OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
