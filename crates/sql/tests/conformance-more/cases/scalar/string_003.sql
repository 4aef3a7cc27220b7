-- case: string: RIGHT, POSITION, POSITION, POSITION, LOCATE, LOCATE, LOCATE, LOCATE, LOCATE, INSTR, INSTR,
-- compare: append-unordered
SELECT
  RIGHT('abcdef', 100) AS x0,
  POSITION('c' IN 'abcabc') AS x1,
  POSITION('' IN 'abc') AS x2,
  POSITION('z' IN 'abc') AS x3,
  LOCATE('c', 'abcabc') AS x4,
  LOCATE('c', 'abcabc', 4) AS x5,
  LOCATE('', 'abc', 2) AS x6,
  LOCATE('c', 'abc', 0) AS x7,
  LOCATE('c', 'abc', -1) AS x8,
  INSTR('abcabc', 'c') AS x9,
  INSTR('abcabc', 'c', 4) AS x10,
  INSTR('abcabc', 'c', -1) AS x11;
