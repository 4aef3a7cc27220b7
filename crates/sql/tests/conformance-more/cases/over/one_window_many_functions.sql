-- case: functions that share a window
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE scores (n INT, team STRING, who STRING, pts INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem','format'='json','path'='${IN}/scores.jsonl');
SELECT n, LAG(pts) OVER w AS a, SUM(pts) OVER w AS b FROM scores WINDOW w AS (PARTITION BY team ORDER BY ts);
SELECT n, RANK() OVER w AS a, SUM(pts) OVER w AS b FROM scores WINDOW w AS (PARTITION BY team ORDER BY ts);
SELECT n, RANK() OVER w AS a, DENSE_RANK() OVER w AS b FROM scores WINDOW w AS (PARTITION BY team ORDER BY ts);
SELECT n, ROW_NUMBER() OVER (PARTITION BY team ORDER BY ts) AS a, SUM(pts) OVER (PARTITION BY team ORDER BY ts ROWS UNBOUNDED PRECEDING) AS b FROM scores;
SELECT n, SUM(pts) OVER (PARTITION BY team ORDER BY n) AS a, COUNT(*) OVER (PARTITION BY team ORDER BY n) AS b FROM scores;
SELECT n, a, SUM(a) OVER (PARTITION BY who ORDER BY ts) AS b FROM (SELECT n, who, ts, SUM(pts) OVER (PARTITION BY team ORDER BY ts) AS a FROM scores);
SELECT n, SUM(LAST_N) OVER (ORDER BY ts) AS x FROM (SELECT n, ts, LAG(n) OVER (PARTITION BY team ORDER BY ts) AS LAST_N FROM scores);
