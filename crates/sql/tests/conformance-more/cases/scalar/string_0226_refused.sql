-- case: SELECT OCTET_LENGTH(x'0102') AS x ;
-- compare: error
SELECT OCTET_LENGTH(x'0102') AS x ;
