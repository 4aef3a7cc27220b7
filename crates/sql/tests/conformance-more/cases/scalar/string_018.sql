-- case: string: SELECT SUBSTRING('abcdef' FROM 2 FOR 3) AS x ;
-- compare: append-unordered
SELECT SUBSTRING('abcdef' FROM 2 FOR 3) AS x ;
SELECT TRIM(BOTH 'ab' FROM 'abcba') AS x ;
SELECT TRIM(LEADING 'ab' FROM 'abcba') AS x ;
SELECT TRIM(TRAILING 'ab' FROM 'abcba') AS x ;
SELECT OVERLAY('abcdef' PLACING 'XX' FROM 2) AS x ;
SELECT OVERLAY('abcdef' PLACING 'XX' FROM 2 FOR 4) AS x ;
SELECT OVERLAY('abcdef' PLACING 'XX' FROM 9) AS x ;
SELECT OVERLAY('abcdef' PLACING 'XX' FROM -1) AS x ;
SELECT FROM_BASE64('aGVsbG8=') AS x ;
