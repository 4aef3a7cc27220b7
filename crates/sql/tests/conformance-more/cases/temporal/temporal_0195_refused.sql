-- case: SELECT DAYNAME(DATE '2024-02-01') AS x ;
-- compare: error
SELECT DAYNAME(DATE '2024-02-01') AS x ;
