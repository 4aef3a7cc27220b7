-- case: arith: MOD, MOD, 1.5e0, 1.5e0, CAST, CAST, -, +5, ABS, ABS, ABS, ABS
-- compare: append-unordered
SELECT
  MOD(7, 2.5) AS x0,
  MOD(CAST(7 AS BIGINT), 3) AS x1,
  1.5e0 + 1 AS x2,
  1.5e0 + 1.5 AS x3,
  CAST(1.1 AS FLOAT) + 1 AS x4,
  CAST(1.1 AS FLOAT) * 1.1 AS x5,
  - CAST(5 AS TINYINT) AS x6,
  +5 AS x7,
  ABS(-5) AS x8,
  ABS(-5.5) AS x9,
  ABS(CAST(-128 AS TINYINT)) AS x10,
  ABS(-2147483648) AS x11;
