-- case: string: PARSE_URL, PARSE_URL, PARSE_URL, PARSE_URL, URL_ENCODE, URL_DECODE, URL_DECODE, BTRIM, INE
-- compare: append-unordered
SELECT
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'REF') AS x0,
  PARSE_URL('http://u:p@example.com:80/p/a?x=1&y=2#r', 'PROTOCOL') AS x1,
  PARSE_URL('nourl', 'HOST') AS x2,
  PARSE_URL('http://a/b', 'NOPE') AS x3,
  URL_ENCODE('a b&c=é/') AS x4,
  URL_DECODE('a+b%26c%3D%C3%A9') AS x5,
  URL_DECODE('%zz') AS x6,
  BTRIM('abc', '') AS x7,
  INET_ATON('192.168.0.1') AS x8,
  INET_ATON('1.2') AS x9,
  INET_ATON('x') AS x10,
  INET_ATON('256.1.1.1') AS x11;
