-- case: SELECT 'a' || 1 AS x ;
-- compare: error
SELECT 'a' || 1 AS x ;
