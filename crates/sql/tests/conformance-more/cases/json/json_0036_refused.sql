-- case: SELECT JSON_VALUE('{"a":1}', '$.b' NULL ON EMPTY ERROR ON ERROR) AS x ;
-- compare: error
SELECT JSON_VALUE('{"a":1}', '$.b' NULL ON EMPTY ERROR ON ERROR) AS x ;
