-- case: SELECT 'a AS x ;
-- compare: error
SELECT 'a AS x ;
