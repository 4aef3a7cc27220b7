-- case: SELECT ROW() AS x ;
-- compare: error
SELECT ROW() AS x ;
