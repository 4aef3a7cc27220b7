-- case: SELECT a / 0.0 FROM (VALUES (1.5), (2.5)) AS t(a);
-- compare: error
SELECT a / 0.0 FROM (VALUES (1.5), (2.5)) AS t(a);
