-- case: SELECT JSON_TYPE('1') AS x ;
-- compare: error
SELECT JSON_TYPE('1') AS x ;
