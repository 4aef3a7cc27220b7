-- case: CREATE TABLE o (sid INT, shop STRING) PARTITIONED BY (nope) WITH ('connector'='filesystem','format'='csv','pat
-- compare: error
CREATE TABLE s (sid INT, shop STRING, qty INT, amt DECIMAL(6,2)) WITH ('connector'='filesystem','format'='json','path'='${IN}/sales.jsonl');
CREATE TABLE o (sid INT, shop STRING) PARTITIONED BY (nope) WITH ('connector'='filesystem','format'='csv','path'='${OUT}/o'); SELECT 1;
