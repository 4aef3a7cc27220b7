-- case: TIME with a fraction as text, and text as TIME
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
SELECT CAST(tm AS STRING) AS a, tm AS b, CAST(tm AS TIME(0)) AS c, CAST(tm AS TIME(1)) AS d, CAST(tm AS VARCHAR(9)) AS e FROM (VALUES (CAST('01:02:03.450' AS TIME(3))), (CAST('01:02:03' AS TIME(3))), (CAST('01:02:03.007' AS TIME(3)))) AS t(tm);
SELECT TRY_CAST(s AS TIME) AS a, TRY_CAST(s AS TIME(3)) AS b FROM (VALUES ('1'), ('1:2'), ('1:2.5'), ('1:2:3.5'), ('1:2:3.'), (' 1:2:3 '), ('1:2:3:4'), ('-1:00'), ('01:02:03.123456')) AS t(s);
