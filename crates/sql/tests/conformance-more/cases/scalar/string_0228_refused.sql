-- case: SELECT CONCAT(x'01', x'02') AS x ;
-- compare: error
SELECT CONCAT(x'01', x'02') AS x ;
