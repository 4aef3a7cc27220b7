-- case: SELECT zone, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY zone ORDER BY ts DESC) AS n FROM r) WHERE n = 
-- compare: changelog-final
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT zone, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY zone ORDER BY ts DESC) AS n FROM r) WHERE n = 1;
