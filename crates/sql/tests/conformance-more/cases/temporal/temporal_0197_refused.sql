-- case: SELECT YEAR('2024-01-01') AS x ;
-- compare: error
SELECT YEAR('2024-01-01') AS x ;
