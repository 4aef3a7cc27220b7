-- case: CREATE TABLE d (a INT, ts AS LOCALTIMESTAMP, WATERMARK FOR ts AS ts) WITH ('connector'='datagen','number-of-ro
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE d (a INT, ts AS LOCALTIMESTAMP, WATERMARK FOR ts AS ts) WITH ('connector'='datagen','number-of-rows'='3'); DESCRIBE d;
