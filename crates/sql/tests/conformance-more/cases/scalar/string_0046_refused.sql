-- case: SELECT CONCAT('a', 1, TRUE) AS x ;
-- compare: error
SELECT CONCAT('a', 1, TRUE) AS x ;
