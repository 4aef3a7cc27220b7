-- case: SELECT BITWISE_AND(5, 3) AS x ;
-- compare: error
SELECT BITWISE_AND(5, 3) AS x ;
