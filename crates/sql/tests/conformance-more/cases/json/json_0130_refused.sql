-- case: SELECT JSON_LENGTH('{"a":1}') AS x ;
-- compare: error
SELECT JSON_LENGTH('{"a":1}') AS x ;
