-- case: string: UNHEX, UNHEX, BIN, BIN, BIN, ENCODE, ENCODE, ENCODE, DECODE, DECODE, MD5, SHA1
-- compare: append-unordered
SELECT
  UNHEX('zz') AS x0,
  UNHEX('') AS x1,
  BIN(5) AS x2,
  BIN(-1) AS x3,
  BIN(CAST(7 AS BIGINT)) AS x4,
  ENCODE('hé', 'UTF-8') AS x5,
  ENCODE('hé', 'UTF-16BE') AS x6,
  ENCODE('hé', 'ISO-8859-1') AS x7,
  DECODE(x'68c3a9', 'UTF-8') AS x8,
  DECODE(x'00680065', 'UTF-16BE') AS x9,
  MD5('abc') AS x10,
  SHA1('abc') AS x11;
