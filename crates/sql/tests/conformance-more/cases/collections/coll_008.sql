-- case: coll: MAP_KEYS, MAP_VALUES, MAP_ENTRIES, MAP_UNION, MAP_UNION, MAP_UNION, ARRAY[1,, ARRAY[1,
-- compare: append-unordered
SELECT
  MAP_KEYS(MAP['a', 1, 'b', 2]) AS x0,
  MAP_VALUES(MAP['a', 1, 'b', 2]) AS x1,
  MAP_ENTRIES(MAP['a', 1]) AS x2,
  MAP_UNION(MAP['a', 1], MAP['b', 2]) AS x3,
  MAP_UNION(MAP['a', 1], MAP['a', 2]) AS x4,
  MAP_UNION(MAP['a', 1], CAST(NULL AS MAP<STRING,INT>)) AS x5,
  ARRAY[1, 2] = ARRAY[1, 2] AS x6,
  ARRAY[1, 2] <> ARRAY[1, 3] AS x7;
