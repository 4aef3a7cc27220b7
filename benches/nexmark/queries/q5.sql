-- q5: the auctions with the most bids in the last 10 seconds, every 2 seconds. Sliding windows and a window join.
SELECT most.auction, most.num
FROM (
    SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end
) AS most
JOIN (
    SELECT MAX(counted.num) AS maxn, counted.starttime, counted.endtime
    FROM (
        SELECT COUNT(*) AS num, window_start AS starttime, window_end AS endtime
        FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
        GROUP BY auction, window_start, window_end
    ) AS counted
    GROUP BY counted.starttime, counted.endtime
) AS best
ON most.starttime = best.starttime AND most.endtime = best.endtime AND most.num >= best.maxn
