-- case: SELECT CAST(PARSE_JSON('1') AS INT) AS x ;
-- compare: error
SELECT CAST(PARSE_JSON('1') AS INT) AS x ;
