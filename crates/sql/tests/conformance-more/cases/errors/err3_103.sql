-- case: ALTER TABLE r RENAME rid TO zone;
-- compare: error
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
ALTER TABLE r RENAME rid TO zone;
