-- case: SELECT PERCENTILE(x, 2) FROM (VALUES (1), (2)) AS t(x);
-- compare: error
SELECT PERCENTILE(x, 2) FROM (VALUES (1), (2)) AS t(x);
