-- case: SELECT JSON_OBJECT('a' VALUE JSON('bad')) AS x ;
-- compare: error
SELECT JSON_OBJECT('a' VALUE JSON('bad')) AS x ;
