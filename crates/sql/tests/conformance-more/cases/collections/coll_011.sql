-- case: coll: MAP[1,, MAP['k',, ROW, ARRAY[ROW, ARRAY[ROW, ARRAY[INTERVAL, CAST, CAST
-- compare: append-unordered
SELECT
  MAP[1, ARRAY[1,2]] AS x0,
  MAP['k', ROW(1, 'a')] AS x1,
  ROW(ARRAY[1], MAP['a', 1]) AS x2,
  ARRAY[ROW(1, 'a'), ROW(2, 'b')] AS x3,
  ARRAY[ROW(1, 'a'), ROW(2, 'bc')] AS x4,
  ARRAY[INTERVAL '1' DAY] AS x5,
  CAST(NULL AS ROW<a INT, b STRING>) AS x6,
  CAST(NULL AS ROW<a INT, b STRING>).a AS x7;
