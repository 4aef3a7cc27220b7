-- case: SELECT CASE WHEN qty > 2 THEN 'big' ELSE 'small' END AS k, COUNT(*) FROM s GROUP BY CASE WHEN qty > 2 THEN 'bi
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT CASE WHEN qty > 2 THEN 'big' ELSE 'small' END AS k, COUNT(*) FROM s GROUP BY CASE WHEN qty > 2 THEN 'big' ELSE 'small' END;
