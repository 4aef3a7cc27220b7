-- case: arith: CAST, CAST, CAST, CAST
-- compare: append-unordered
SELECT
  CAST(5 AS DECIMAL(5,2)) - CAST(2 AS BIGINT) AS x0,
  CAST(5 AS DECIMAL(5,2)) % CAST(3 AS INT) AS x1,
  CAST(5.55 AS DECIMAL(5,2)) = 5.550 AS x2,
  CAST(5 AS DECIMAL(5,2)) > 4e0 AS x3;
