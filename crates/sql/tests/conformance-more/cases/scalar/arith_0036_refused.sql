-- case: SELECT -1e0 / 0e0 AS x ;
-- compare: error
SELECT -1e0 / 0e0 AS x ;
