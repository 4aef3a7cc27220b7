//! Event time, watermarks and the injected processing-time clock.
//!
//! All times are milliseconds since 1970-01-01T00:00:00Z, as in Flink; windows
//! and timers compare them as signed 64-bit numbers, so dates before 1970 work.
//!
//! Invariant: a watermark `w` promises that no record with event time `<= w`
//! will follow on its channel; a record that breaks the promise is *late*.
//! Source: Akidau et al., "Watermarks in Stream Processing Systems", VLDB 2021.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Milliseconds since the epoch, in event time.
pub type EventTime = i64;

/// Marks a record that has no event time yet (Flink's `Long.MIN_VALUE`).
pub const NO_TIMESTAMP: EventTime = i64::MIN;

/// The progress of event time: no more records at or before this time.
///
/// ```
/// use millstream_core::Watermark;
/// assert!(Watermark(10) < Watermark::MAX);
/// assert!(Watermark::MIN < Watermark(i64::MIN + 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub EventTime);

impl Watermark {
    /// Before the first watermark: nothing is promised.
    pub const MIN: Watermark = Watermark(i64::MIN);
    /// The end of a bounded stream: everything has been seen.
    pub const MAX: Watermark = Watermark(i64::MAX);
}

/// Where processing time comes from. Operators never ask the machine.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
    /// How long the machine should wait before it looks at the clock again, when it has
    /// nothing to do before the clock shows `deadline_ms`. A clock that runs at its own
    /// speed gives a short time; whoever waits looks, and asks again. At least 1 ms.
    fn wait_for(&self, deadline_ms: i64) -> Duration {
        let wait_ms = deadline_ms.saturating_sub(self.now_ms()).max(1);
        Duration::from_millis(wait_ms.unsigned_abs())
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that may
    fn now_ms(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that a test moves by hand. A job that runs on it looks at it once a
/// millisecond, so that timers fire soon after it was moved, and never before.
///
/// ```
/// use millstream_core::{Clock, ManualClock};
/// let clock = ManualClock::new(100);
/// clock.set_ms(250);
/// assert_eq!(clock.now_ms(), 250);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Starts at `now_ms`.
    pub fn new(now_ms: i64) -> Self {
        ManualClock(Arc::new(AtomicI64::new(now_ms)))
    }
    /// Moves the clock, for all clones of it.
    pub fn set_ms(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
    fn wait_for(&self, _deadline_ms: i64) -> Duration {
        Duration::from_millis(1) // nobody knows when it will be moved
    }
}
