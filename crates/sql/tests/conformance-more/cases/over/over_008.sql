-- case: over: SELECT n, sym, ts, ROW_NUMBER() OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
-- compare: append-unordered
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE ticks (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT n, sym, ts, ROW_NUMBER() OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
SELECT n, sym, ROW_NUMBER() OVER (PARTITION BY sym ORDER BY n) AS x FROM ticks;
SELECT n, sym, RANK() OVER (PARTITION BY sym ORDER BY n) AS x FROM ticks;
SELECT n, sym, DENSE_RANK() OVER (PARTITION BY sym ORDER BY n) AS x FROM ticks;
SELECT n, sym, ts, LISTAGG(sym) OVER (PARTITION BY sym ORDER BY ts) AS x FROM ticks;
