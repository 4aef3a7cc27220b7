-- case: over: SELECT * FROM (SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts) AS s FROM ticks)
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE ticks (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT * FROM (SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts) AS s FROM ticks) WHERE s > 20;
SELECT n, px - LAG(px) OVER (PARTITION BY sym ORDER BY ts) AS d FROM ticks;
SELECT sym, MAX(s) FROM (SELECT sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts) AS s FROM ticks) GROUP BY sym;
SELECT n, COUNT(*) OVER (PARTITION BY sym ORDER BY ts) AS c FROM ticks WHERE px > 10;
SELECT n, CASE WHEN px > LAG(px, 1, px) OVER (PARTITION BY sym ORDER BY ts) THEN 'up' ELSE 'flat' END AS d FROM ticks;
