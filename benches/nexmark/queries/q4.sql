-- q4: average of the winning prices by category. A join, a maximum, and an average that is retracted.
SELECT q.category, AVG(q.final) AS average
FROM (
    SELECT MAX(b.price) AS final, a.category
    FROM auction AS a, bid AS b
    WHERE a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
    GROUP BY a.id, a.category
) AS q
GROUP BY q.category
