//! The options of asynchronous I/O: order, capacity, timeout, retries, threads.
//!
//! Checked when the job is built, by [`AsyncOptions::validate`].

use super::retry::RetryStrategy;
use millstream_core::{Error, Result};
use std::time::Duration;
use tokio::runtime::Handle;

/// In which order results are emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// In the order of the inputs: a slow answer holds back those behind it.
    Ordered,
    /// As answers come, but never across a watermark: between two watermarks any order.
    Unordered,
}

/// How asynchronous requests are made. Defaults: capacity 100, no retry, the shared
/// runtime of the process (two threads, started with the first asynchronous operator).
///
/// ```
/// use millstream_runtime::async_io::{AsyncOptions, RetryStrategy};
/// use std::time::Duration;
/// let options = AsyncOptions::<u64>::unordered(Duration::from_secs(5))
///     .capacity(200)
///     .retry(RetryStrategy::fixed_delay(3, Duration::from_millis(100)));
/// options.validate().unwrap();
/// assert!(AsyncOptions::<u64>::ordered(Duration::ZERO).validate().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct AsyncOptions<U> {
    pub(crate) mode: OutputMode,
    pub(crate) timeout: Option<Duration>,
    pub(crate) capacity: usize,
    pub(crate) retry: RetryStrategy<U>,
    pub(crate) runtime: Option<Handle>,
}

impl<U> AsyncOptions<U> {
    fn new(mode: OutputMode, timeout: Duration) -> Self {
        AsyncOptions {
            mode,
            timeout: Some(timeout),
            capacity: 100,
            retry: RetryStrategy::none(),
            runtime: None,
        }
    }
    /// Results in the order of the inputs (Flink's `orderedWait`). `timeout` covers a
    /// record's first attempt and all its retries; a millisecond or more.
    pub fn ordered(timeout: Duration) -> Self {
        Self::new(OutputMode::Ordered, timeout)
    }
    /// Results as they come (Flink's `unorderedWait`).
    pub fn unordered(timeout: Duration) -> Self {
        Self::new(OutputMode::Unordered, timeout)
    }
    /// Waits for an answer as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }
    /// How many records may be in flight, or done and waiting for their turn. When they
    /// are, the operator takes no input, and backpressure builds up.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self
    }
    /// Sends failed requests again.
    pub fn retry(mut self, strategy: RetryStrategy<U>) -> Self {
        self.retry = strategy;
        self
    }
    /// Runs the futures on the caller's Tokio runtime, which must have a thread of its own.
    pub fn runtime(mut self, handle: Handle) -> Self {
        self.runtime = Some(handle);
        self
    }
    /// Checks the options.
    ///
    /// # Errors
    /// `Config`, naming the option.
    pub fn validate(&self) -> Result<()> {
        if self.capacity == 0 {
            return Err(Error::config("async I/O: capacity is 0")
                .advice("use the number of requests that may be in flight, 1 or more"));
        }
        if self.timeout.is_some_and(|timeout| timeout < Duration::from_millis(1)) {
            return Err(Error::config("async I/O: the timeout is below a millisecond")
                .advice("use a longer timeout, or no_timeout()"));
        }
        self.retry.validate()
    }
}
