-- case: string: BTRIM, REPLACE, REPLACE, REPLACE, TRANSLATE, TRANSLATE, TRANSLATE, TRANSLATE3, SPLIT_INDEX
-- compare: append-unordered
SELECT
  BTRIM(' ab ') AS x0,
  REPLACE('abcabc', 'b', 'X') AS x1,
  REPLACE('abc', '', 'X') AS x2,
  REPLACE('aaa', 'aa', 'b') AS x3,
  TRANSLATE('abcabc', 'ab', 'x') AS x4,
  TRANSLATE('abc', 'abc', '') AS x5,
  TRANSLATE('abc', 'aa', 'xy') AS x6,
  TRANSLATE3('abc', 'ab', 'xy') AS x7,
  SPLIT_INDEX('a,b,c', ',', 1) AS x8,
  SPLIT_INDEX('a,b,c', ',', 5) AS x9,
  SPLIT_INDEX('a,b,c', ',', -1) AS x10,
  SPLIT_INDEX('a,,c', ',', 1) AS x11;
