-- case: arith: 10.5, CAST, CAST, CAST, CAST, 1.5, 7, -7, 7, MOD, MOD, MOD
-- compare: append-unordered
SELECT
  10.5 * 3.14159 AS x0,
  CAST(1 AS DECIMAL(38,0)) + CAST(1 AS DECIMAL(38,10)) AS x1,
  CAST(1 AS DECIMAL(38,10)) * CAST(1 AS DECIMAL(38,10)) AS x2,
  CAST(1 AS DECIMAL(20,10)) / CAST(3 AS DECIMAL(20,10)) AS x3,
  CAST(10 AS DECIMAL(10,2)) / 3 AS x4,
  1.5 % 1 AS x5,
  7 % 3 AS x6,
  -7 % 3 AS x7,
  7 % -3 AS x8,
  MOD(7, 3) AS x9,
  MOD(-7, 3) AS x10,
  MOD(7.5, 2) AS x11;
