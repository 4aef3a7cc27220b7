-- case: SELECT LPAD('hi', 5, '') AS x ;
-- compare: error
SELECT LPAD('hi', 5, '') AS x ;
