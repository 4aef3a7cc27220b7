-- case: string: SHA224, SHA256, SHA384, SHA512, SHA2, SHA2, SHA2, MD5, REGEXP, REGEXP_EXTRACT, REGEXP_EXTR
-- compare: append-unordered
SELECT
  SHA224('abc') AS x0,
  SHA256('abc') AS x1,
  SHA384('abc') AS x2,
  SHA512('abc') AS x3,
  SHA2('abc', 256) AS x4,
  SHA2('abc', 224) AS x5,
  SHA2('abc', 512) AS x6,
  MD5(x'00ff') AS x7,
  REGEXP('abc123', '[0-9]+') AS x8,
  REGEXP_EXTRACT('foobar', 'foo(.*)', 1) AS x9,
  REGEXP_EXTRACT('foobar', 'foo(.*)') AS x10,
  REGEXP_EXTRACT('foobar', 'foo(.*)', 2) AS x11;
