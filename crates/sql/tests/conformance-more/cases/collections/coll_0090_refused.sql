-- case: SELECT (1, 2) < (1, 3) AS x ;
-- compare: error
SELECT (1, 2) < (1, 3) AS x ;
