-- case: string: IS_DECIMAL, IS_DECIMAL, IS_DECIMAL, LOWER, CAST, CHAR_LENGTH, 'ab', U&'\00e9', 'it''s', 'a
-- compare: append-unordered
SELECT
  IS_DECIMAL('12.3') AS x0,
  IS_DECIMAL('abc') AS x1,
  IS_DECIMAL('1e5') AS x2,
  LOWER(CAST('ABC' AS CHAR(5))) AS x3,
  CAST('ABC' AS CHAR(5)) || 'x' AS x4,
  CHAR_LENGTH(CAST('ab' AS CHAR(5))) AS x5,
  'ab' = CAST('ab' AS CHAR(5)) AS x6,
  U&'\00e9' AS x7,
  'it''s' AS x8,
  'a' < 'B' AS x9,
  'abc' BETWEEN 'abb' AND 'abd' AS x10,
  x'0102' = x'0102' AS x11;
