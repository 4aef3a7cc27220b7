-- case: SELECT JSON_KEYS('{"a":1}') AS x ;
-- compare: error
SELECT JSON_KEYS('{"a":1}') AS x ;
