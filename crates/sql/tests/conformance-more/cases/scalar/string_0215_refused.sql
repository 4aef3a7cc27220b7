-- case: SELECT LEVENSHTEIN('abc', 'abd') AS x ;
-- compare: error
SELECT LEVENSHTEIN('abc', 'abd') AS x ;
