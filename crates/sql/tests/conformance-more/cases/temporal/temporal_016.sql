-- case: temporal: SELECT FROM_UNIXTIME(1700000000, 'yyyy/MM/dd') AS x ;
-- compare: append-unordered
SELECT FROM_UNIXTIME(1700000000, 'yyyy/MM/dd') AS x ;
SELECT FROM_UNIXTIME(-1) AS x ;
