-- case: SELECT CONV(10, 10, 2) AS x ;
-- compare: error
SELECT CONV(10, 10, 2) AS x ;
