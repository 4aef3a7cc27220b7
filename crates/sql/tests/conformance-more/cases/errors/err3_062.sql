-- case: SELECT CAST(ts AS TIMESTAMP_LTZ(3)) FROM r WHERE rid < 3;
-- compare: append-unordered
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT CAST(ts AS TIMESTAMP_LTZ(3)) FROM r WHERE rid < 3;
