//! Processing time for TTL: the job's clock, but never backwards.
//!
//! Machines' clocks are set back, and a job moves to a machine whose clock is behind. State
//! that has expired must not come back to life, so the time used is the greatest ever seen,
//! including the times found in restored state.

use millstream_core::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that does not run backwards; shared with the threads that compact files.
pub(crate) struct StateClock {
    clock: Arc<dyn Clock>,
    seen_ms: AtomicI64,
}

impl StateClock {
    /// Starts at what `clock` says.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        StateClock { clock, seen_ms: AtomicI64::new(i64::MIN) }
    }
    /// The time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let now = self.clock.now_ms();
        self.seen_ms.fetch_max(now, Ordering::Relaxed).max(now)
    }
    /// It is at least `seen_ms`.
    pub(crate) fn raise(&self, seen_ms: i64) {
        self.seen_ms.fetch_max(seen_ms, Ordering::Relaxed);
    }
}
