-- case: SELECT JSON_QUERY('{"a":1}', 'lax $.b' ERROR ON EMPTY) AS x ;
-- compare: error
SELECT JSON_QUERY('{"a":1}', 'lax $.b' ERROR ON EMPTY) AS x ;
