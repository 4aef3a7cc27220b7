-- case: SELECT FROM_BASE64('!!') AS x ;
-- compare: error
SELECT FROM_BASE64('!!') AS x ;
