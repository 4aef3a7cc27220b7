-- case: SELECT MOD(7, 0) AS x ;
-- compare: error
SELECT MOD(7, 0) AS x ;
