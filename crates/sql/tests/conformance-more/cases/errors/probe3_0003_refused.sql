-- case: SELECT 1.5 / 0.0;
-- compare: error
SELECT 1.5 / 0.0;
