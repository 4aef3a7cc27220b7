-- case: SELECT SUM(CASE WHEN qty IS NULL THEN 0 ELSE qty END), COALESCE(SUM(qty), 0), COUNT(qty) FROM s;
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT SUM(CASE WHEN qty IS NULL THEN 0 ELSE qty END), COALESCE(SUM(qty), 0), COUNT(qty) FROM s;
