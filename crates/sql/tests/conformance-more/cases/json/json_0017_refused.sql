-- case: SELECT JSON_EXISTS('{"a":1}', 'strict $.b' ERROR ON ERROR) AS x ;
-- compare: error
SELECT JSON_EXISTS('{"a":1}', 'strict $.b' ERROR ON ERROR) AS x ;
