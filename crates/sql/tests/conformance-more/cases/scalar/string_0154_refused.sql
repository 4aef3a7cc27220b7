-- case: SELECT REGEXP_REPLACE('abc', '(', 'x') AS x ;
-- compare: error
SELECT REGEXP_REPLACE('abc', '(', 'x') AS x ;
