-- case: json: JSON_UNQUOTE, JSON_UNQUOTE, JSON_UNQUOTE, JSON_UNQUOTE, JSON_UNQUOTE, JSON_UNQUOTE
-- compare: append-unordered
SELECT
  JSON_UNQUOTE('"abc"') AS x0,
  JSON_UNQUOTE('"a\"b"') AS x1,
  JSON_UNQUOTE('abc') AS x2,
  JSON_UNQUOTE('"\u0041"') AS x3,
  JSON_UNQUOTE('"\zbad"') AS x4,
  JSON_UNQUOTE('[1]') AS x5;
