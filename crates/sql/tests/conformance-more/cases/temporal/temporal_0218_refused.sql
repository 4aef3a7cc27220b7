-- case: SELECT CAST(1 AS TIMESTAMP) AS x ;
-- compare: error
SELECT CAST(1 AS TIMESTAMP) AS x ;
