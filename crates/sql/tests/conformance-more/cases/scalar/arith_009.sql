-- case: arith: ATAN, ATAN2, SINH, COSH, TANH, DEGREES, RADIANS, PI, PI, E, UNIX_TIMESTAMP, SHA1
-- compare: append-unordered
SELECT
  ATAN(1) AS x0,
  ATAN2(1, 2) AS x1,
  SINH(1) AS x2,
  COSH(1) AS x3,
  TANH(1) AS x4,
  DEGREES(3.14159) AS x5,
  RADIANS(180) AS x6,
  PI() AS x7,
  PI AS x8,
  E() AS x9,
  UNIX_TIMESTAMP('1970-01-01 00:00:01') AS x10,
  SHA1('a') AS x11;
