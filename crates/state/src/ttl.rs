//! Time to live: how long state stays after it was touched.
//!
//! A state with TTL stores [`Timed`] values. Backends compare the time in front of each
//! with the clock to clean up: the heap one while it works, RocksDB when it compacts.
//!
//! Invariant: with [`Visibility::NeverReturnExpired`] nobody sees a value at or after
//! `touched + ttl`, cleaned up or not. Source: Flink's `StateTtlConfig`.

use crate::clock::StateClock;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What makes a value young again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TtlUpdate {
    /// Creating and changing it.
    #[default]
    OnCreateAndWrite,
    /// Reading it, too.
    OnReadAndWrite,
}

/// Whether an expired value may be seen as long as it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Never.
    #[default]
    NeverReturnExpired,
    /// Until it is cleaned up.
    ReturnExpiredIfNotCleanedUp,
}

/// Time to live of a state, in processing time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// Milliseconds from the last touch to the end.
    pub ttl_ms: i64,
    /// What counts as a touch.
    pub update: TtlUpdate,
    /// Whether expired values may be seen.
    pub visibility: Visibility,
}

impl Ttl {
    /// Values live for `ttl_ms` after they were last written, and are not seen after.
    pub fn after_write_ms(ttl_ms: i64) -> Self {
        Ttl { ttl_ms, update: TtlUpdate::default(), visibility: Visibility::default() }
    }
    /// Reading a value makes it young again, too.
    pub fn on_read_and_write(mut self) -> Self {
        self.update = TtlUpdate::OnReadAndWrite;
        self
    }
    /// Expired values are seen as long as they are there.
    pub fn return_expired_if_not_cleaned_up(mut self) -> Self {
        self.visibility = Visibility::ReturnExpiredIfNotCleanedUp;
        self
    }
}

/// A value and when it was last touched; the time is in front, where a compaction finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timed<V>(pub(crate) i64, pub(crate) V);

/// How a backend finds what has expired in a table.
pub(crate) struct Expiry<V> {
    pub(crate) ttl_ms: i64,
    pub(crate) clock: Arc<StateClock>,
    /// When a value was last touched.
    pub(crate) touched: fn(&V) -> i64,
}

impl<V> Clone for Expiry<V> {
    fn clone(&self) -> Self {
        Expiry { ttl_ms: self.ttl_ms, clock: Arc::clone(&self.clock), touched: self.touched }
    }
}

impl<V> Expiry<V> {
    pub(crate) fn is_expired(&self, value: &V) -> bool {
        (self.touched)(value).saturating_add(self.ttl_ms) <= self.clock.now_ms()
    }
}
