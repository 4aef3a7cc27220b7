-- case: json: JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_V
-- compare: append-unordered
SELECT
  JSON_VALUE('{"a b":1}', '$[''a b'']') AS x0,
  JSON_VALUE('{"a":[{"b":1},{"b":2}]}', '$.a[*].b') AS x1,
  JSON_VALUE('{"a":[{"b":1},{"b":2}]}', '$.a[1].b') AS x2,
  JSON_VALUE('{"a":[1,2,3]}', '$.a[-1]') AS x3,
  JSON_VALUE('{"a":[1,2,3]}', '$.a.length()') AS x4,
  JSON_VALUE('{"a":12345678901234}', '$.a') AS x5,
  JSON_VALUE('{"a":1e3}', '$.a') AS x6,
  JSON_VALUE('{"a":1.0}', '$.a') AS x7,
  JSON_VALUE('{"a":"é😀"}', '$.a') AS x8,
  JSON_VALUE('1', '$') AS x9;
