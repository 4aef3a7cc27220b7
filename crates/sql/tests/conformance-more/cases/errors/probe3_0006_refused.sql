-- case: SELECT MOD(5, 0);
-- compare: error
SELECT MOD(5, 0);
