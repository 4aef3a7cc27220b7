-- case: SELECT ARRAY[1, 2, 3][0] AS x ;
-- compare: error
SELECT ARRAY[1, 2, 3][0] AS x ;
