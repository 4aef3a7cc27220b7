-- case: temporal: SELECT FROM_UNIXTIME(0) AS x ;
-- compare: append-unordered
SET 'table.local-time-zone' = 'America/New_York';
SELECT FROM_UNIXTIME(0) AS x ;
SELECT EXTRACT(DAY FROM TO_TIMESTAMP_LTZ(1710000000, 0)) AS x ;
