-- case: SELECT LAST_DAY(DATE '2024-02-01') AS x ;
-- compare: error
SELECT LAST_DAY(DATE '2024-02-01') AS x ;
