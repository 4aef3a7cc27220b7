-- case: string: INSTR, INSTR, CONCAT_WS, CONCAT_WS, 'a', TRIM, TRIM, LTRIM, LTRIM, RTRIM, RTRIM, BTRIM
-- compare: append-unordered
SELECT
  INSTR('abcabc', 'c', 1, 2) AS x0,
  INSTR('abc', '') AS x1,
  CONCAT_WS(',', 'a', '', 'b') AS x2,
  CONCAT_WS(',') AS x3,
  'a' || CAST(NULL AS STRING) AS x4,
  TRIM('  ab ') AS x5,
  TRIM('') AS x6,
  LTRIM('  ab ') AS x7,
  LTRIM('xxab', 'x') AS x8,
  RTRIM(' ab  ') AS x9,
  RTRIM('abxx', 'x') AS x10,
  BTRIM('xxabxx', 'x') AS x11;
