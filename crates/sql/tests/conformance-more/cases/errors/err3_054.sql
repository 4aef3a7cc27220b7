-- case: SELECT CURRENT_WATERMARK(ts) IS NULL FROM r WHERE rid = 1;
-- compare: append-unordered
CREATE TABLE r (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH ('connector'='filesystem','format'='json','path'='${IN}/rides.jsonl');
SELECT CURRENT_WATERMARK(ts) IS NULL FROM r WHERE rid = 1;
