//! When a failed request is sent again, and after how long a pause.
//!
//! Asked by the operator on the worker's thread for each answer; pauses are
//! processing-time timers. Source: Flink's `AsyncRetryStrategies`.

use millstream_core::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

type ResultPredicate<U> = Arc<dyn Fn(&[U]) -> bool + Send + Sync>;
type ErrorPredicate = Arc<dyn Fn(&Error) -> bool + Send + Sync>;

/// How often and when a request is sent again. Every error is retried unless
/// [`if_error`](RetryStrategy::if_error) says which; results are retried only if
/// [`if_result`](RetryStrategy::if_result) says so. A panic is never retried.
///
/// The timeout of the operator covers all attempts together. After the last attempt
/// its result is emitted, or its error ends the job.
///
/// ```
/// use millstream_runtime::async_io::RetryStrategy;
/// use std::time::Duration;
/// let strategy = RetryStrategy::<String>::exponential_backoff(
///     4, Duration::from_millis(10), Duration::from_millis(50), 2.0)
///     .if_result(|answers| answers.is_empty());
/// assert_eq!(strategy.delay_ms(1), 10);
/// assert_eq!(strategy.delay_ms(2), 20);
/// assert_eq!(strategy.delay_ms(4), 50);
/// ```
#[derive(Clone)]
pub struct RetryStrategy<U> {
    max_retries: u32,
    initial: Duration,
    max: Duration,
    factor: f64,
    if_result: Option<ResultPredicate<U>>,
    if_error: Option<ErrorPredicate>,
}

impl<U> Default for RetryStrategy<U> {
    fn default() -> Self {
        Self::none()
    }
}

impl<U> RetryStrategy<U> {
    /// One attempt only.
    pub fn none() -> Self {
        Self::fixed_delay(0, Duration::ZERO)
    }
    /// Up to `max_retries` attempts after the first, each after the same pause.
    pub fn fixed_delay(max_retries: u32, delay: Duration) -> Self {
        Self::exponential_backoff(max_retries, delay, delay, 1.0)
    }
    /// Up to `max_retries` attempts after the first; the pause starts at `initial` and is
    /// multiplied by `factor` each time, up to `max`.
    pub fn exponential_backoff(
        max_retries: u32,
        initial: Duration,
        max: Duration,
        factor: f64,
    ) -> Self {
        RetryStrategy { max_retries, initial, max, factor, if_result: None, if_error: None }
    }
    /// Also retries answers for which `retry` holds, such as empty ones.
    pub fn if_result(mut self, retry: impl Fn(&[U]) -> bool + Send + Sync + 'static) -> Self {
        self.if_result = Some(Arc::new(retry));
        self
    }
    /// Retries only the errors for which `retry` holds.
    pub fn if_error(mut self, retry: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.if_error = Some(Arc::new(retry));
        self
    }
    /// The pause before retry number `retry` (from 1), in milliseconds.
    pub fn delay_ms(&self, retry: u32) -> i64 {
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let initial_ms = self.initial.as_secs_f64() * 1000.0;
        let delay_ms = initial_ms * self.factor.powi(exponent);
        // A float to integer cast saturates: an overflow is the longest pause.
        delay_ms.min(self.max.as_secs_f64() * 1000.0).round() as i64
    }
    /// Whether the answer of attempt number `attempt` (from 1) calls for another one.
    pub(crate) fn wants_retry(&self, attempt: u32, answer: &Result<Vec<U>>) -> bool {
        attempt <= self.max_retries
            && match answer {
                Ok(results) => self.if_result.as_ref().is_some_and(|retry| retry(results)),
                Err(error) => self.if_error.as_ref().is_none_or(|retry| retry(error)),
            }
    }
    pub(crate) fn validate(&self) -> Result<()> {
        if !(self.factor.is_finite() && self.factor >= 1.0) {
            return Err(Error::config(format!("async I/O: backoff factor {}", self.factor))
                .advice("use a factor of 1.0 or more"));
        }
        if self.max < self.initial {
            return Err(Error::config(format!(
                "async I/O: the longest pause {:?} is below the first one {:?}",
                self.max, self.initial
            ))
            .advice("raise the maximum, or lower the initial delay"));
        }
        Ok(())
    }
}

impl<U> std::fmt::Debug for RetryStrategy<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetryStrategy")
            .field("max_retries", &self.max_retries)
            .field("initial", &self.initial)
            .field("max", &self.max)
            .field("factor", &self.factor)
            .finish_non_exhaustive()
    }
}
