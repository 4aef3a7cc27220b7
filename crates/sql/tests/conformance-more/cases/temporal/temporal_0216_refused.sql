-- case: SELECT CAST('5' AS INTERVAL DAY) AS x ;
-- compare: error
SELECT CAST('5' AS INTERVAL DAY) AS x ;
