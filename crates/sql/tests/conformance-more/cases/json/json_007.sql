-- case: json: JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_QUERY, JSON_Q
-- compare: append-unordered
SELECT
  JSON_QUERY('{"a":1}', 'lax $.b' EMPTY ARRAY ON EMPTY) AS x0,
  JSON_QUERY('{"a":1}', 'lax $.b' EMPTY OBJECT ON EMPTY) AS x1,
  JSON_QUERY('{"a":1}', 'strict $.b' EMPTY OBJECT ON ERROR) AS x2,
  JSON_QUERY('{"a":[1,2]}', '$.a' RETURNING ARRAY<STRING>) AS x3,
  JSON_QUERY('{"a":["x",1,null]}', '$.a' RETURNING ARRAY<STRING>) AS x4,
  JSON_QUERY('{"a":{"b":1}}', '$.a' RETURNING ARRAY<STRING>) AS x5,
  JSON_QUERY('{"a":[{"b":1},{"b":2}]}', '$.a[*].b') AS x6,
  JSON_QUERY('{"a":[{"b":1},{"b":2}]}', '$.a[*].b' WITH WRAPPER) AS x7,
  JSON_QUERY('{"a":[{"b":1},{"b":2}]}', '$..b') AS x8,
  JSON_QUERY('{"a":[{"b":1},{"b":2}]}', '$.a[?(@.b > 1)]') AS x9;
