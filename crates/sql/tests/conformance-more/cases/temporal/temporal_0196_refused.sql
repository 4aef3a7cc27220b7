-- case: SELECT TO_CHAR(1) AS x ;
-- compare: error
SELECT TO_CHAR(1) AS x ;
