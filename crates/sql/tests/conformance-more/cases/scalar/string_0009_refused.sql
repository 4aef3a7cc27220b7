-- case: SELECT LPAD('hi', -1, 'ab') AS x ;
-- compare: error
SELECT LPAD('hi', -1, 'ab') AS x ;
