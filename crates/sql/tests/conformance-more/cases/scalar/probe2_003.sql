-- case: probe2: JSON_STRING, JSON_STRING, JSON_STRING, JSON_STRING, JSON_ARRAY, JSON_QUERY, JSON_VALUE, JS
-- compare: append-unordered
SELECT
  JSON_STRING(CAST(1.5 AS DECIMAL(10,4))) AS x0,
  JSON_STRING(1e10) AS x1,
  JSON_STRING(CAST(1.5 AS FLOAT)) AS x2,
  JSON_STRING(1.0E-5) AS x3,
  JSON_ARRAY(MAP['b', 1, 'a', 2]) AS x4,
  JSON_QUERY('{"a":{"z":1,"b":[3,2]}}', '$.a') AS x5,
  JSON_VALUE('{"a":1e-7}', '$.a') AS x6,
  JSON_VALUE('{"a":1.10}', '$.a') AS x7,
  JSON_VALUE('{"a":100000000000000000000}', '$.a') AS x8,
  JSON_VALUE('{"a":0.1234567890123456789}', '$.a') AS x9,
  JSON_QUERY('{"a":[1.0,1e3,1.10]}', '$.a') AS x10,
  JSON_VALUE('{"a":1e3}', '$.a' RETURNING DOUBLE) AS x11;
