-- case: string: REGEXP_EXTRACT, REGEXP_EXTRACT, REGEXP_EXTRACT, REGEXP_EXTRACT_ALL, REGEXP_EXTRACT_ALL, RE
-- compare: append-unordered
SELECT
  REGEXP_EXTRACT('foobar', 'x(.*)', 1) AS x0,
  REGEXP_EXTRACT('foobar', '(', 1) AS x1,
  REGEXP_EXTRACT('foobar', 'foo(.*)', -1) AS x2,
  REGEXP_EXTRACT_ALL('a1b2c3', '[a-z]([0-9])') AS x3,
  REGEXP_EXTRACT_ALL('a1b2c3', '[a-z]([0-9])', 0) AS x4,
  REGEXP_EXTRACT_ALL('a1b2c3', '[a-z]([0-9])', 3) AS x5,
  REGEXP_EXTRACT_ALL('abc', '[0-9]') AS x6,
  REGEXP_REPLACE('a1b22', '[0-9]+', '#') AS x7,
  REGEXP_REPLACE('abc', '(b)', '[$1]') AS x8,
  REGEXP_COUNT('a1b22', '[0-9]') AS x9,
  REGEXP_COUNT('aaa', '') AS x10,
  REGEXP_COUNT('aaa', '(') AS x11;
