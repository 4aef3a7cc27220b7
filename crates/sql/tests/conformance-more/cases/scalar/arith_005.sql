-- case: arith: LOG2, LOG, LOG, LOG, LOG, EXP, POWER, POWER, POWER, POWER, CEIL, CEIL
-- compare: append-unordered
SELECT
  LOG2(8) AS x0,
  LOG(8) AS x1,
  LOG(2, 8) AS x2,
  LOG(10, 0) AS x3,
  LOG(-1) AS x4,
  EXP(1) AS x5,
  POWER(2, 10) AS x6,
  POWER(2, -1) AS x7,
  POWER(-8, 0.5) AS x8,
  POWER(2.5, 2) AS x9,
  CEIL(1.2) AS x10,
  CEIL(-1.2) AS x11;
