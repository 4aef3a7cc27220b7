-- case: SELECT BITAND(5, 3) AS x ;
-- compare: error
SELECT BITAND(5, 3) AS x ;
