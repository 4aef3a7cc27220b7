-- case: the first row by time of a key may come at the watermark itself
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE steps (n INT, u STRING, act STRING, val INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector'='filesystem','format'='json','path'='${IN}/steps.jsonl');
CREATE TABLE ticks0 (n INT, sym STRING, px INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector'='filesystem','format'='json','path'='${IN}/ticks.jsonl');
SELECT u, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY u ORDER BY ts) AS rn FROM steps) WHERE rn = 1;
SELECT x.u, x.n, y.c FROM (SELECT u, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY u ORDER BY ts) AS rn FROM steps) WHERE rn = 1) x JOIN (SELECT u, COUNT(*) AS c FROM steps GROUP BY u) y ON x.u = y.u;
SELECT COUNT(*) AS c, SUM(n) AS s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY u ORDER BY ts) AS rn FROM steps) WHERE rn = 1;
SELECT sym, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY sym ORDER BY ts) AS rn FROM ticks0) WHERE rn = 1;
