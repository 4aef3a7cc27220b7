-- case: SELECT CONV('-10', 10, 16) AS x ;
-- compare: error
SELECT CONV('-10', 10, 16) AS x ;
