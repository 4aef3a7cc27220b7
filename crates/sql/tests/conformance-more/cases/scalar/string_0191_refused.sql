-- case: SELECT URL_DECODE_RECURSIVE('a%252Fb', 1) AS x ;
-- compare: error
SELECT URL_DECODE_RECURSIVE('a%252Fb', 1) AS x ;
