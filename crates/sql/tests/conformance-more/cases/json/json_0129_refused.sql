-- case: SELECT JSON_LENGTH('[1,2]') AS x ;
-- compare: error
SELECT JSON_LENGTH('[1,2]') AS x ;
