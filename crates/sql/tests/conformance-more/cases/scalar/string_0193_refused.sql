-- case: SELECT SUBSTRING_INDEX('a.b.c', '.', 2) AS x ;
-- compare: error
SELECT SUBSTRING_INDEX('a.b.c', '.', 2) AS x ;
