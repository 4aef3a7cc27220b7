-- case: SELECT ENCODE('a', 'nope') AS x ;
-- compare: error
SELECT ENCODE('a', 'nope') AS x ;
