-- case: SELECT CONV('ff', 16, 10) AS x ;
-- compare: error
SELECT CONV('ff', 16, 10) AS x ;
