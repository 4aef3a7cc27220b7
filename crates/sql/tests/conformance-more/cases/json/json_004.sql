-- case: json: JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_V
-- compare: append-unordered
SELECT
  JSON_VALUE('{"a":1}', '$.b' DEFAULT 'd' ON EMPTY) AS x0,
  JSON_VALUE('{"a":1}', 'lax $.b' DEFAULT 'd' ON EMPTY) AS x1,
  JSON_VALUE('{"a":1}', 'strict $.b' DEFAULT 'e' ON ERROR) AS x2,
  JSON_VALUE('{"a":1}', '$.b' DEFAULT 'd' ON EMPTY DEFAULT 'e' ON ERROR) AS x3,
  JSON_VALUE('{"a":1}', 'lax $.b' DEFAULT 5 ON EMPTY) AS x4,
  JSON_VALUE('{"a":1}', '$.a' RETURNING INT DEFAULT 5 ON ERROR) AS x5,
  JSON_VALUE('bad', '$.a') AS x6,
  JSON_VALUE('bad', '$.a' DEFAULT 'x' ON ERROR) AS x7,
  JSON_VALUE('bad', 'lax $.a' ERROR ON ERROR) AS x8,
  JSON_VALUE('{"a b":1}', '$.["a b"]') AS x9;
