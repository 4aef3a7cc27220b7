-- case: coll: SELECT COLLECT(x) FROM (VALUES (1), (1), (2)) AS t(x);
-- compare: changelog-final
SELECT COLLECT(x) FROM (VALUES (1), (1), (2)) AS t(x);
SELECT COLLECT(DISTINCT x) FROM (VALUES (1), (1), (2)) AS t(x);
SELECT a, b.f1, b.f2 FROM (VALUES (1, CAST(ROW(2, 'x') AS ROW<f1 INT, f2 STRING>))) AS t(a, b);
SELECT a, b.* FROM (VALUES (1, CAST(ROW(2, 'x') AS ROW<f1 INT, f2 STRING>))) AS t(a, b);
SELECT t.b.f1 FROM (VALUES (1, CAST(ROW(2, 'x') AS ROW<f1 INT, f2 STRING>))) AS t(a, b);
SELECT b[1].f1 FROM (VALUES (1, ARRAY[CAST(ROW(2, 'x') AS ROW<f1 INT, f2 STRING>)])) AS t(a, b);
SELECT m['k'].f1 FROM (VALUES (MAP['k', CAST(ROW(2, 'x') AS ROW<f1 INT, f2 STRING>)])) AS t(m);
