-- case: json: JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_V
-- compare: append-unordered
SELECT
  JSON_VALUE('{"a":true}', '$.a') AS x0,
  JSON_VALUE('{"a":1.5}', '$.a') AS x1,
  JSON_VALUE('{"a":null}', '$.a') AS x2,
  JSON_VALUE('{"a":1}', '$.b') AS x3,
  JSON_VALUE('{"a":{"b":1}}', '$.a') AS x4,
  JSON_VALUE('{"a":[1,2]}', '$.a[1]') AS x5,
  JSON_VALUE('{"a":1}', '$.a' RETURNING INT) AS x6,
  JSON_VALUE('{"a":"1"}', '$.a' RETURNING STRING) AS x7,
  JSON_VALUE('{"a":true}', '$.a' RETURNING BOOLEAN) AS x8,
  JSON_VALUE('{"a":1.5}', '$.a' RETURNING DOUBLE) AS x9;
