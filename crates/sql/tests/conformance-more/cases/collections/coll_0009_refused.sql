-- case: SELECT ARRAY[] AS x ;
-- compare: error
SELECT ARRAY[] AS x ;
