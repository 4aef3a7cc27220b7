-- case: SELECT CAST('inf' AS DOUBLE) AS x ;
-- compare: error
SELECT CAST('inf' AS DOUBLE) AS x ;
