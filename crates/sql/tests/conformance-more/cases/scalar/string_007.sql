-- case: string: ELT, ELT, STARTSWITH, STARTSWITH, STARTSWITH, ENDSWITH, ENDSWITH, ENDSWITH, ASCII, ASCII, 
-- compare: append-unordered
SELECT
  ELT(0, 'a', 'b') AS x0,
  ELT(1, x'01', x'02') AS x1,
  STARTSWITH('abc', 'ab') AS x2,
  STARTSWITH('abc', '') AS x3,
  STARTSWITH(x'0102', x'01') AS x4,
  ENDSWITH('abc', 'bc') AS x5,
  ENDSWITH('abc', CAST(NULL AS STRING)) AS x6,
  ENDSWITH(x'0102', x'02') AS x7,
  ASCII('abc') AS x8,
  ASCII('') AS x9,
  ASCII('é') AS x10,
  CHR(65) AS x11;
