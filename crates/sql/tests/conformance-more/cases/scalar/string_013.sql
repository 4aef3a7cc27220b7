-- case: string: PRINTF, PRINTF, PRINTF, PRINTF, PRINTF, PRINTF, PARSE_URL, PARSE_URL, PARSE_URL, PARSE_URL
-- compare: append-unordered
SELECT
  PRINTF('%d-%s-%5.2f', 1, 'a', 2.5) AS x0,
  PRINTF('%s %s', 'a') AS x1,
  PRINTF('%d', 'a') AS x2,
  PRINTF('%05d|%x|%c', 42, 255, 'c') AS x3,
  PRINTF('%s', CAST(NULL AS STRING)) AS x4,
  PRINTF('%b %%', TRUE) AS x5,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'HOST') AS x6,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'QUERY') AS x7,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'QUERY', 'y') AS x8,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'FILE') AS x9,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'AUTHORITY') AS x10,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'USERINFO') AS x11;
