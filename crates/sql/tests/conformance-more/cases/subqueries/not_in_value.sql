-- case: NOT IN as a value
-- compare: changelog-final
CREATE VIEW n AS SELECT * FROM (VALUES (1), (2), (3), (CAST(NULL AS INT))) AS t (n);
CREATE VIEW two AS SELECT * FROM (VALUES (1), (2)) AS u (x);
CREATE VIEW with_null AS SELECT * FROM (VALUES (1), (CAST(NULL AS INT))) AS u (x);
SELECT n, n NOT IN (SELECT x FROM two) FROM n;
