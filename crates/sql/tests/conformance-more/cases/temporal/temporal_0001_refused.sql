-- case: SELECT DATE '2024-02-30' AS x ;
-- compare: error
SELECT DATE '2024-02-30' AS x ;
