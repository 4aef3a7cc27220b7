-- case: SELECT DATE_ADD(DATE '2024-02-01', 1) AS x ;
-- compare: error
SELECT DATE_ADD(DATE '2024-02-01', 1) AS x ;
