-- case: SELECT t.shop, x.w FROM s AS t CROSS JOIN UNNEST(SPLIT(t.shop, 'o')) AS x(w);
-- compare: append-unordered
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
SELECT t.shop, x.w FROM s AS t CROSS JOIN UNNEST(SPLIT(t.shop, 'o')) AS x(w);
