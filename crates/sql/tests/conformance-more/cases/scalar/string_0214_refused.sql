-- case: SELECT SOUNDEX('Robert') AS x ;
-- compare: error
SELECT SOUNDEX('Robert') AS x ;
