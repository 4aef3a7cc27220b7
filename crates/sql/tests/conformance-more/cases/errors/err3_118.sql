-- case: USE default_catalog.default_database; SHOW CURRENT DATABASE;
-- compare: append-unordered
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
USE default_catalog.default_database; SHOW CURRENT DATABASE;
