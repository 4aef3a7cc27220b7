-- case: json: JSON_EXISTS, JSON_EXISTS, JSON_EXISTS, JSON_EXISTS, JSON_EXISTS, JSON_EXISTS, JSON_EXISTS,
-- compare: append-unordered
SELECT
  JSON_EXISTS('{"a":1}', '$.a') AS x0,
  JSON_EXISTS('{"a":1}', '$.b') AS x1,
  JSON_EXISTS('{"a":null}', '$.a') AS x2,
  JSON_EXISTS('{"a":[1]}', '$.a[0]') AS x3,
  JSON_EXISTS('{"a":[1]}', '$.a[5]') AS x4,
  JSON_EXISTS('{"a":1}', 'strict $.b' TRUE ON ERROR) AS x5,
  JSON_EXISTS('bad', '$.a') AS x6,
  JSON_EXISTS('{"a":1}', 'lax $.b') AS x7,
  JSON_VALUE('{"a":1}', '$.a') AS x8,
  JSON_VALUE('{"a":"x"}', '$.a') AS x9;
