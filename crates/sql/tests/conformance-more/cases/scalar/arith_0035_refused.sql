-- case: SELECT 1e0 / 0 AS x ;
-- compare: error
SELECT 1e0 / 0 AS x ;
