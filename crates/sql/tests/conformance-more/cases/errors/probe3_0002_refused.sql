-- case: SELECT a / b FROM (VALUES (CAST(1.5 AS DECIMAL(5,2)), CAST(0 AS DECIMAL(5,2)))) AS t(a, b);
-- compare: error
SELECT a / b FROM (VALUES (CAST(1.5 AS DECIMAL(5,2)), CAST(0 AS DECIMAL(5,2)))) AS t(a, b);
