-- case: SELECT PERCENTILE(x, 0.3) FROM (VALUES ('a')) AS t(x);
-- compare: error
SELECT PERCENTILE(x, 0.3) FROM (VALUES ('a')) AS t(x);
