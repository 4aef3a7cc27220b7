-- case: SELECT OCTET_LENGTH('a😀é') AS x ;
-- compare: error
SELECT OCTET_LENGTH('a😀é') AS x ;
