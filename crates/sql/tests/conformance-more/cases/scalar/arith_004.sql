-- case: arith: ABS, SIGN, SIGN, SIGN, SIGN, SQRT, SQRT, SQRT, LN, LN, LN, LOG10
-- compare: append-unordered
SELECT
  ABS(CAST(NULL AS INT)) AS x0,
  SIGN(-5) AS x1,
  SIGN(-5.5) AS x2,
  SIGN(0e0) AS x3,
  SIGN(CAST(3 AS BIGINT)) AS x4,
  SQRT(16) AS x5,
  SQRT(-1) AS x6,
  SQRT(2) AS x7,
  LN(10) AS x8,
  LN(0) AS x9,
  LN(-1) AS x10,
  LOG10(100) AS x11;
