-- case: string: CHR, CHR, CHR, CHR, TO_BASE64, TO_BASE64, HEX, HEX, HEX, HEX, UNHEX, UNHEX
-- compare: append-unordered
SELECT
  CHR(256) AS x0,
  CHR(321) AS x1,
  CHR(-1) AS x2,
  CHR(0) AS x3,
  TO_BASE64('hello') AS x4,
  TO_BASE64('é') AS x5,
  HEX('abc') AS x6,
  HEX(255) AS x7,
  HEX(-1) AS x8,
  HEX(CAST(17 AS BIGINT)) AS x9,
  UNHEX('616263') AS x10,
  UNHEX('6') AS x11;
