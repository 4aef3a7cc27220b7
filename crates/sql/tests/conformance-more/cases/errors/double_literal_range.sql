-- case: a DOUBLE literal that is too large
-- compare: error
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
SELECT 1e400 AS a;
