-- case: SELECT * FROM x;
-- compare: append-unordered
SET 'parallelism.default' = '1';
CREATE TABLE o (i INT, s STRING, d DECIMAL(5,2), b BOOLEAN, dt DATE, t TIME, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), y BYTES, a ARRAY<INT>, r ROW<i INT, s STRING>, f DOUBLE) WITH ('connector'='filesystem','format'='json','path'='${OUT}/o','json.encode.ignore-null-fields'='true');
INSERT INTO o SELECT * FROM (VALUES (1, 'a', 1.5, TRUE, DATE '2024-01-01', TIME '10:11:12', TIMESTAMP '2024-01-01 10:11:12.123', TO_TIMESTAMP_LTZ(1700000000123, 3), x'0102', ARRAY[1,2], ROW(1,'x'), 1.25e0), (2, 'q,"uo"te', -0.05, FALSE, DATE '1969-12-31', TIME '00:00:00', TIMESTAMP '1969-12-31 23:59:59', TO_TIMESTAMP_LTZ(-1, 3), x'', ARRAY[3], ROW(2, 'y z'), 1e20), (3, CAST(NULL AS STRING), CAST(NULL AS DECIMAL(5,2)), CAST(NULL AS BOOLEAN), CAST(NULL AS DATE), CAST(NULL AS TIME), CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP_LTZ(3)), CAST(NULL AS BYTES), CAST(NULL AS ARRAY<INT>), CAST(NULL AS ROW<i INT, s STRING>), CAST(NULL AS DOUBLE))) AS v;
CREATE TABLE x (line STRING) WITH ('connector'='filesystem','format'='raw','path'='${OUT}/o');
SELECT * FROM x;
