-- case: SELECT JSON_VALUE('{"a":1}', 'lax $.b' ERROR ON EMPTY) AS x ;
-- compare: error
SELECT JSON_VALUE('{"a":1}', 'lax $.b' ERROR ON EMPTY) AS x ;
