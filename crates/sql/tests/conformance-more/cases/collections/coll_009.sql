-- case: coll: MAP['a',, ROW, ROW, CAST, CAST, CAST, CAST, CAST
-- compare: append-unordered
SELECT
  MAP['a', 1] = MAP['a', 1] AS x0,
  ROW(1, 'a') = ROW(1, 'a') AS x1,
  ROW(1, 2) IN (ROW(1, 2), ROW(3, 4)) AS x2,
  CAST(ARRAY[1, 2] AS ARRAY<STRING>) AS x3,
  CAST(ARRAY['1', '2'] AS ARRAY<INT>) AS x4,
  CAST(ARRAY[1, 2] AS STRING) AS x5,
  CAST(MAP['a', 1] AS STRING) AS x6,
  CAST(MAP['a', 1] AS MAP<STRING, BIGINT>) AS x7;
