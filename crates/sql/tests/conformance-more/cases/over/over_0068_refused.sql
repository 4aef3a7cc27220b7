-- case: SELECT n, sym, NTH_VALUE(px, 2) OVER (PARTITION BY sym ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) A
-- compare: error
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE ticks (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT n, sym, NTH_VALUE(px, 2) OVER (PARTITION BY sym ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS x FROM ticks;
