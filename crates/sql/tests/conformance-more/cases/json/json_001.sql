-- case: json: '{"a":1}', '{"a":1}', '[1]', '1', 'x', 'x', '"x"', CAST, '{"a":1,"a":2}', ''
-- compare: append-unordered
SELECT
  '{"a":1}' IS JSON AS x0,
  '{"a":1}' IS JSON OBJECT AS x1,
  '[1]' IS JSON ARRAY AS x2,
  '1' IS JSON SCALAR AS x3,
  'x' IS JSON AS x4,
  'x' IS NOT JSON AS x5,
  '"x"' IS JSON SCALAR AS x6,
  CAST(NULL AS STRING) IS JSON AS x7,
  '{"a":1,"a":2}' IS JSON AS x8,
  '' IS JSON AS x9;
