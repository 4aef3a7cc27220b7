-- case: SELECT DISTINCT UPPER(shop) FROM s WHERE shop LIKE '%o%' ;
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT DISTINCT UPPER(shop) FROM s WHERE shop LIKE '%o%' ;
