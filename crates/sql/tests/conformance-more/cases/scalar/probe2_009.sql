-- case: probe2: SELECT ELT(i, 'a', 'b') FROM (VALUES (-1), (0), (3), (1)) AS t(i);
-- compare: changelog-final
SELECT ELT(i, 'a', 'b') FROM (VALUES (-1), (0), (3), (1)) AS t(i);
SELECT PRINTF('%s %d %f', s, i, f), PRINTF('%s', d), PRINTF('%.2f', d), PRINTF('%c', s) FROM (VALUES ('x', 1, 1.5e0, 2.50)) AS t(s, i, f, d);
SELECT UPPER(s) FROM (VALUES ('straße'), ('é')) AS t(s);
SELECT PERCENTILE(x, 0.5, f) FROM (VALUES (1, 1), (2, 3), (4, 1)) AS t(x, f);
SELECT PERCENTILE(x, 0.3) FROM (VALUES (1.5), (2.25)) AS t(x);
