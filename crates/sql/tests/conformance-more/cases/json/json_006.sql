-- case: json: JSON_VALUE, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_Q
-- compare: append-unordered
SELECT
  JSON_VALUE('"s"', '$') AS x0,
  JSON_QUERY('{"a":{"b":1}}', '$.a') AS x1,
  JSON_QUERY('{"a":[1,2]}', '$.a') AS x2,
  JSON_QUERY('{"a":1}', '$.a') AS x3,
  JSON_QUERY('{"a":1}', '$.a' WITH WRAPPER) AS x4,
  JSON_QUERY('{"a":1}', '$.a' WITH UNCONDITIONAL WRAPPER) AS x5,
  JSON_QUERY('{"a":[1,2]}', '$.a' WITH CONDITIONAL WRAPPER) AS x6,
  JSON_QUERY('{"a":[1,2]}', '$.a' WITH UNCONDITIONAL ARRAY WRAPPER) AS x7,
  JSON_QUERY('{"a":1}', '$.a' WITH CONDITIONAL WRAPPER) AS x8,
  JSON_QUERY('{"a":1}', '$.b') AS x9;
