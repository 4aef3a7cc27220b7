-- case: SELECT MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1]) AS x ;
-- compare: error
SELECT MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1]) AS x ;
