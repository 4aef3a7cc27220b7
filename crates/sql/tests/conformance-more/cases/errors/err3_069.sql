-- case: SELECT zone, COUNT(*) FROM (SELECT * FROM r ORDER BY ts) GROUP BY zone;
-- compare: changelog-final
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT zone, COUNT(*) FROM (SELECT * FROM r ORDER BY ts) GROUP BY zone;
