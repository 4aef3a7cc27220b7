-- case: SELECT a % 0 FROM (VALUES (1), (2)) AS t(a);
-- compare: error
SELECT a % 0 FROM (VALUES (1), (2)) AS t(a);
