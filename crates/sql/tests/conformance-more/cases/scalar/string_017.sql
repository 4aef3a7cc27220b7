-- case: string: GREATEST, LEAST, GREATEST, LEAST, GREATEST, PERCENTILE
-- compare: append-unordered
SELECT
  GREATEST('a', 'b', 'ab') AS x0,
  LEAST('a', 'b', 'ab') AS x1,
  GREATEST(1, 2.5, 3) AS x2,
  LEAST(1, 2e0) AS x3,
  GREATEST(DATE '2024-01-01', DATE '2023-01-01') AS x4,
  PERCENTILE(1, 0.5) AS x5;
