-- case: SELECT ARRAY['a', 1] AS x ;
-- compare: error
SELECT ARRAY['a', 1] AS x ;
