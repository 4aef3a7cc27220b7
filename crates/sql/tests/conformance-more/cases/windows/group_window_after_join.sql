-- case: group windows over a rowtime that went through a join of tables or a computation
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE depts (did INT, title STRING) WITH ('connector'='filesystem','format'='json','path'='${IN}/depts.jsonl');
CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
CREATE TABLE tips (tid INT, zone STRING, tip INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH ('connector'='filesystem','format'='json','path'='${IN}/tips.jsonl');
SELECT TUMBLE_START(t2, INTERVAL '30' SECOND) AS w, COUNT(*) AS n FROM (SELECT ts + INTERVAL '1' SECOND AS t2 FROM rides) GROUP BY TUMBLE(t2, INTERVAL '30' SECOND);
SELECT TUMBLE_START(r.ts, INTERVAL '30' SECOND) AS w, COUNT(*) AS n FROM rides r LEFT JOIN depts d ON r.rid * 10 = d.did GROUP BY TUMBLE(r.ts, INTERVAL '30' SECOND);
SELECT TUMBLE_START(r.ts, INTERVAL '30' SECOND) AS w, TUMBLE_ROWTIME(r.ts, INTERVAL '30' SECOND) AS rt, COUNT(*) AS n FROM rides r JOIN depts d ON r.rid * 10 = d.did GROUP BY TUMBLE(r.ts, INTERVAL '30' SECOND);
SELECT TUMBLE_START(r.ts, INTERVAL '30' SECOND) AS w, COUNT(*) AS n FROM rides r JOIN tips t ON r.zone = t.zone GROUP BY TUMBLE(r.ts, INTERVAL '30' SECOND);
