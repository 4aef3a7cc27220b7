-- case: SELECT TO_TIMESTAMP_LTZ('bad') AS x ;
-- compare: error
SELECT TO_TIMESTAMP_LTZ('bad') AS x ;
