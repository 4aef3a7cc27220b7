-- case: SELECT shop, LISTAGG(CAST(sid AS STRING), '-') FROM s GROUP BY shop;
-- compare: changelog-final
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT shop, LISTAGG(CAST(sid AS STRING), '-') FROM s GROUP BY shop;
