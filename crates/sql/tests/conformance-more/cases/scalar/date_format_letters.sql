-- case: letters of DATE_FORMAT that are rarely used
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
SELECT DATE_FORMAT(d, 'w') AS w, DATE_FORMAT(d, 'ww') AS ww, DATE_FORMAT(d, 'W') AS m, DATE_FORMAT(d, 'F') AS f, DATE_FORMAT(d, 'Y') AS y, DATE_FORMAT(d, 'YY-ww-e') AS z, DATE_FORMAT(d, 'YYYY') AS yy, DATE_FORMAT(d, 'c') AS c, DATE_FORMAT(d, 'EEEEE MMMMM') AS n, DATE_FORMAT(d, 'GGGG GGGGG') AS g, DATE_FORMAT(d, 'QQQ QQQQ QQQQQ') AS q, DATE_FORMAT(d, 'A N') AS a FROM (VALUES (TIMESTAMP '2023-01-01 01:02:03.456'), (TIMESTAMP '2024-12-29 23:59:59'), (TIMESTAMP '2024-12-31 00:00:00'), (TIMESTAMP '2021-01-02 00:00:00'), (TIMESTAMP '2022-05-31 00:00:00'), (TIMESTAMP '2026-02-28 12:00:00')) AS t(d);
