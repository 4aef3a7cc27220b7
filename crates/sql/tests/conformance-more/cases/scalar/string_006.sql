-- case: string: SPLIT_INDEX, SPLIT, SPLIT, SPLIT, SPLIT, STR_TO_MAP, STR_TO_MAP, STR_TO_MAP, STR_TO_MAP, E
-- compare: append-unordered
SELECT
  SPLIT_INDEX('a,b', 44, 1) AS x0,
  SPLIT('a,b,,c', ',') AS x1,
  SPLIT('abc', '') AS x2,
  SPLIT('', ',') AS x3,
  SPLIT(CAST(NULL AS STRING), ',') AS x4,
  STR_TO_MAP('a=1,b=2') AS x5,
  STR_TO_MAP('a:1;b:2', ';', ':') AS x6,
  STR_TO_MAP('a,b=2') AS x7,
  STR_TO_MAP('') AS x8,
  ELT(1, 'a', 'b') AS x9,
  ELT(2, 'a', 'b') AS x10,
  ELT(3, 'a', 'b') AS x11;
