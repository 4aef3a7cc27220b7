-- case: arith: 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1.0, 'a'
-- compare: append-unordered
SELECT
  1 = 1.0 AS x0,
  1 <> 2 AS x1,
  1 < 2.5 AS x2,
  1 BETWEEN 0 AND 2 AS x3,
  1 BETWEEN 2 AND 0 AS x4,
  1 BETWEEN SYMMETRIC 2 AND 0 AS x5,
  1 NOT BETWEEN 2 AND 3 AS x6,
  1 IN (1, 2) AS x7,
  1 IN (2, NULL) AS x8,
  1 NOT IN (2, NULL) AS x9,
  1.0 IN (1, 2) AS x10,
  'a' IN ('a', 'b') AS x11;
