-- case: SELECT CONV('100', 2, 10) AS x ;
-- compare: error
SELECT CONV('100', 2, 10) AS x ;
