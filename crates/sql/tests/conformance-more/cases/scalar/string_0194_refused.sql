-- case: SELECT SUBSTRING_INDEX('a.b.c', '.', -1) AS x ;
-- compare: error
SELECT SUBSTRING_INDEX('a.b.c', '.', -1) AS x ;
