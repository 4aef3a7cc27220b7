-- case: string: SUBSTRING, SUBSTRING, SUBSTRING, SUBSTRING, SUBSTRING, SUBSTRING, SUBSTR, LEFT, LEFT, LEFT
-- compare: append-unordered
SELECT
  SUBSTRING('abcdef', 0) AS x0,
  SUBSTRING('abcdef', -2) AS x1,
  SUBSTRING('abcdef', -2, 5) AS x2,
  SUBSTRING('abcdef', 0, 3) AS x3,
  SUBSTRING('abcdef', 2, -1) AS x4,
  SUBSTRING('abcdef', 10) AS x5,
  SUBSTR('a😀bc', 2, 2) AS x6,
  LEFT('abcdef', 3) AS x7,
  LEFT('abcdef', -3) AS x8,
  LEFT('abcdef', 100) AS x9,
  RIGHT('abcdef', 3) AS x10,
  RIGHT('abcdef', -1) AS x11;
