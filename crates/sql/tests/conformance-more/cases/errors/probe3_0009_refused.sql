-- case: SELECT 1 / CAST(0 AS BIGINT);
-- compare: error
SELECT 1 / CAST(0 AS BIGINT);
