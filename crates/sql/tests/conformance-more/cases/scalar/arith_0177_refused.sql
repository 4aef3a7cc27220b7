-- case: SELECT NVL2(1, 2, 3) AS x ;
-- compare: error
SELECT NVL2(1, 2, 3) AS x ;
