-- case: SELECT DECODE(x'68', 'nope') AS x ;
-- compare: error
SELECT DECODE(x'68', 'nope') AS x ;
