-- case: coll: ARRAY[1,, ARRAY[1,, ARRAY['a',, ARRAY[1,, ARRAY[ARRAY[1],, MAP['a',, MAP['a',, MAP['a',
-- compare: append-unordered
SELECT
  ARRAY[1, 2, 3][1] AS x0,
  ARRAY[1, 2.5, 3] AS x1,
  ARRAY['a', 'bcd'] AS x2,
  ARRAY[1, NULL] AS x3,
  ARRAY[ARRAY[1], ARRAY[2, 3]] AS x4,
  MAP['a', 1, 'b', 2] AS x5,
  MAP['a', 1, 'b', 2]['b'] AS x6,
  MAP['a', 1, 'a', 2] AS x7;
