-- case: SELECT 0e0 / 0e0 AS x ;
-- compare: error
SELECT 0e0 / 0e0 AS x ;
