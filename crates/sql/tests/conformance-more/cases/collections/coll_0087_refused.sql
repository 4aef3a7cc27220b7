-- case: SELECT ARRAY[1, 2] < ARRAY[1, 3] AS x ;
-- compare: error
SELECT ARRAY[1, 2] < ARRAY[1, 3] AS x ;
