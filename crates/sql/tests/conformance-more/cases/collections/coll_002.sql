-- case: coll: MAP['a',, ROW, , CAST, CAST, CAST, CARDINALITY, CARDINALITY
-- compare: append-unordered
SELECT
  MAP['a', 1, 'b', 2.5] AS x0,
  ROW(1) AS x1,
  (1, 'x') AS x2,
  CAST(ROW(1, 'a') AS ROW<f INT, g STRING>) AS x3,
  CAST(ROW(1, 'a') AS ROW<f INT, g STRING>).g AS x4,
  CAST(ROW('1', 2) AS ROW<f INT, g STRING>) AS x5,
  CARDINALITY(ARRAY[1, 2]) AS x6,
  CARDINALITY(MAP['a', 1]) AS x7;
