-- case: SELECT MAP[] AS x ;
-- compare: error
SELECT MAP[] AS x ;
