-- The best bid of each auction in every 10 seconds. Bids come up to 5 seconds late: the
-- watermark waits that long, so the bid of 12:00:08 still counts after the one of 12:00:12.
CREATE TABLE bids (
    auction INT,
    price INT,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/bids.jsonl', 'format' = 'json');

SELECT window_start, auction, MAX(price) AS best, COUNT(*) AS bids
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, auction;
