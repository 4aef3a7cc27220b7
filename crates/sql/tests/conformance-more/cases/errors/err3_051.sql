-- case: SELECT rid FROM r WHERE ts > '2024-05-01 09:01:00';
-- compare: append-unordered
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT rid FROM r WHERE ts > '2024-05-01 09:01:00';
