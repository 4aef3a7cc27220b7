-- case: SELECT sid, amt * qty AS total, ROUND(amt / 3, 2), CAST(amt AS INT), CAST(amt AS STRING) FROM s;
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT sid, amt * qty AS total, ROUND(amt / 3, 2), CAST(amt AS INT), CAST(amt AS STRING) FROM s;
