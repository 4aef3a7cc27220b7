-- case: string: REGEXP_INSTR, REGEXP_INSTR, REGEXP_SUBSTR, REGEXP_SUBSTR, 'abc', 'a%c', 'a_c', 'abc', 'abc
-- compare: append-unordered
SELECT
  REGEXP_INSTR('abc123', '[0-9]+') AS x0,
  REGEXP_INSTR('abc', '[0-9]+') AS x1,
  REGEXP_SUBSTR('abc123', '[0-9]+') AS x2,
  REGEXP_SUBSTR('abc', '[0-9]+') AS x3,
  'abc' LIKE 'a%' AS x4,
  'a%c' LIKE 'a!%c' ESCAPE '!' AS x5,
  'a_c' LIKE 'a\_c' AS x6,
  'abc' LIKE 'A%' AS x7,
  'abc' SIMILAR TO '(a|b)bc' AS x8,
  'abc' SIMILAR TO 'a_c' AS x9,
  'abc' NOT SIMILAR TO 'a%' AS x10,
  'abc' NOT LIKE '_b_' AS x11;
