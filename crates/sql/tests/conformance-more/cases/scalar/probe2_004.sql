-- case: probe2: JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_VALUE, JSON_VALUE, JSON_VALUE, JSON_QUERY, TO_TI
-- compare: append-unordered
SELECT
  JSON_VALUE('{"a":[{"b":1,"c":"x"},{"b":2,"c":"y"}]}', '$.a[?(@.b == 2)].c') AS x0,
  JSON_QUERY('{"a":[{"b":1,"c":"x"},{"b":2,"c":"y"}]}', '$.a[?(@.c == ''x'')]') AS x1,
  JSON_EXISTS('{"a":[{"b":1}]}', '$.a[?(@.b > 5)]') AS x2,
  JSON_VALUE('{"a":[1,2]}', '$.a.size()') AS x3,
  JSON_VALUE('{"a":[1,2]}', '$.a.min()') AS x4,
  JSON_VALUE('{"a":[1,2]}', '$.a.sum()') AS x5,
  JSON_QUERY('{"a":{"x":1}}', '$.a.keys()') AS x6,
  TO_TIMESTAMP_LTZ(1700000000123456789, 9) AS x7,
  TO_TIMESTAMP_LTZ(17000000001, 1) AS x8,
  TYPEOF(TO_TIMESTAMP_LTZ(17000000001, 9)) AS x9,
  TO_TIMESTAMP_LTZ(1.7, 3) AS x10,
  TO_TIMESTAMP_LTZ(2.5e0, 0) AS x11;
