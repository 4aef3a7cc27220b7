-- case: a bounded frame takes late rows that are not behind its last one; an unbounded one does not
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE rides10 (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE px (n INT, sym STRING, price INT, kind STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '3' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/px.jsonl');
CREATE TABLE ticks0 (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM ticks0;
SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW) AS s FROM ticks0;
SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS s FROM ticks0;
SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts) AS s, LAG(px) OVER (PARTITION BY sym ORDER BY ts) AS l FROM ticks0;
SELECT n, COUNT(*) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM ticks0;
SELECT n, COUNT(*) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '3' SECOND PRECEDING AND CURRENT ROW) AS s FROM ticks0;
SELECT rid, zone, SUM(fare) OVER (PARTITION BY zone ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM rides10;
SELECT rid, zone, SUM(fare) OVER (PARTITION BY zone ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS s FROM rides10;
SELECT rid, zone, COUNT(*) OVER (PARTITION BY zone ORDER BY ts) AS s FROM rides10;
SELECT n, sym, SUM(px) OVER (PARTITION BY sym ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s, MAX(px) OVER (PARTITION BY sym ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS m FROM ticks0;
