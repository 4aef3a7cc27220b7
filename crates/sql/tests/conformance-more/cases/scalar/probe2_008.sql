-- case: probe2: SELECT ARRAY_AGG(x) FROM (VALUES (1)) AS t(x);
-- compare: append-unordered
SELECT ARRAY_AGG(x) FROM (VALUES (1)) AS t(x);
SELECT x, ARRAY_AGG(x) FROM (VALUES (1)) AS t(x) GROUP BY x;
SELECT x, COLLECT(x), LISTAGG(CAST(x AS STRING)), FIRST_VALUE(x), SUM(x), MAX(x) FROM (VALUES (1)) AS t(x) GROUP BY x;
SELECT a / b FROM (VALUES (1e0, 0e0), (0e0, 0e0), (-1e0, 0e0)) AS t(a, b);
SELECT a / 0e0 FROM (VALUES (1e0), (2e0)) AS t(a);
SELECT a = b, a <> b, a > b, a < b FROM (VALUES (CAST('NaN' AS DOUBLE), CAST('NaN' AS DOUBLE)), (1e0, CAST('NaN' AS DOUBLE))) AS t(a, b);
SELECT -a, a * 0 FROM (VALUES (0e0), (1e0)) AS t(a);
SELECT c = 'ab', c || '|' FROM (VALUES (CAST('ab' AS CHAR(5))), (CAST('ab   ' AS CHAR(5)))) AS t(c);
SELECT c, CHAR_LENGTH(c) FROM (VALUES ('a'), ('abc')) AS t(c);
SELECT IF(a > 1, 'x', 'yyy'), IFNULL(b, 'zzzz'), COALESCE(b, 'zzzz') FROM (VALUES (1, CAST(NULL AS CHAR(2))), (2, 'q')) AS t(a, b);
SELECT NULLIF(a, 'x'), CASE WHEN a = 'x' THEN a ELSE 'long' END FROM (VALUES ('x'), ('yy')) AS t(a);
SELECT UPPER(c), LOWER(c), TRIM(c), REVERSE(c), REPEAT(c, 2), LPAD(c, 3, 'z'), SUBSTRING(c, 1, 1), CONCAT(c, 'x'), c || 'x' FROM (VALUES ('ab'), ('c')) AS t(c);
