-- case: coll: SELECT MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1, 2]) AS x ;
-- compare: append-unordered
SELECT MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1, 2]) AS x ;
SELECT * FROM UNNEST(ARRAY[1, 2, NULL]);
SELECT * FROM UNNEST(ARRAY[ROW(1, 'a'), ROW(2, 'b')]);
SELECT * FROM UNNEST(ARRAY[ROW(1, 'a'), ROW(2, 'b')]) AS t(x, y);
SELECT * FROM UNNEST(MAP['a', 1, 'b', 2]) AS t(k, v);
SELECT * FROM UNNEST(ARRAY['x', 'y']) WITH ORDINALITY AS t(v, o);
SELECT a, x FROM (VALUES (1, ARRAY[1, 2]), (2, ARRAY[5])) AS t(a, b) CROSS JOIN UNNEST(b) AS u(x) WHERE x > 1;
SELECT t.a, u.k, u.v FROM (VALUES (1, MAP['x', 5])) AS t(a, m), UNNEST(m) AS u(k, v);
