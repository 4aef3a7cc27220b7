-- case: SELECT 5 % 0;
-- compare: error
SELECT 5 % 0;
