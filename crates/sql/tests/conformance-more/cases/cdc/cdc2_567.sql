-- case: SELECT DISTINCT cur FROM c;
-- compare: changelog-final
SET 'parallelism.default' = '1';
CREATE TABLE c (cur STRING, rate DECIMAL(6,3), since TIMESTAMP(3)) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/rates_cdc.jsonl');
SELECT DISTINCT cur FROM c;
