-- case: SELECT 5 & 3 AS x ;
-- compare: error
SELECT 5 & 3 AS x ;
