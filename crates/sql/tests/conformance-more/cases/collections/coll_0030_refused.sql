-- case: SELECT ELEMENT(ARRAY[1, 2]) AS x ;
-- compare: error
SELECT ELEMENT(ARRAY[1, 2]) AS x ;
