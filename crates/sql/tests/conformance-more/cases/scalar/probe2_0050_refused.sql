-- case: SELECT TO_TIMESTAMP_LTZ(1, 10) AS x ;
-- compare: error
SELECT TO_TIMESTAMP_LTZ(1, 10) AS x ;
