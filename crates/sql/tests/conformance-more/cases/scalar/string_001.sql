-- case: string: INITCAP, CHAR_LENGTH, CHARACTER_LENGTH, LPAD, LPAD, RPAD, RPAD, RPAD, REPEAT, REPEAT, REPE
-- compare: append-unordered
SELECT
  INITCAP('hello wORLD-foo_bar 1abc ñandú') AS x0,
  CHAR_LENGTH('a😀é') AS x1,
  CHARACTER_LENGTH(CAST(NULL AS STRING)) AS x2,
  LPAD('hi', 5, 'ab') AS x3,
  LPAD('hi', 1, 'ab') AS x4,
  RPAD('hi', 5, 'ab') AS x5,
  RPAD('hi', 0, 'ab') AS x6,
  RPAD('hi', 7, '😀') AS x7,
  REPEAT('ab', 3) AS x8,
  REPEAT('ab', 0) AS x9,
  REPEAT('ab', -2) AS x10,
  REVERSE('a😀é') AS x11;
