-- case: SELECT 1.0 / 0 AS x ;
-- compare: error
SELECT 1.0 / 0 AS x ;
