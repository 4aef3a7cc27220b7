-- case: SELECT CONV('zz', 10, 2) AS x ;
-- compare: error
SELECT CONV('zz', 10, 2) AS x ;
