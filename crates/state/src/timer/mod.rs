//! Event-time and processing-time timers of keyed operators, as state.
//!
//! ```text
//!   operator ──> TimerState ──> queue: all timers in memory (heap backend)
//!                          └──> rocksdb::RocksTimers: the earliest in memory, the rest on disk
//! ```
//!
//! A timer is (time, key, namespace); registering the same one twice is one timer.
//!
//! Invariant: timers fire in order of time, and a deleted timer does not fire.

mod queue;

pub use queue::TimerQueue;

#[cfg(feature = "rocksdb")]
use crate::rocksdb::RocksTimers;
use crate::{OperatorSnapshot, SubtaskInfo};
use millstream_core::{Key, Result};

/// The timers of one time domain of one operator subtask; from
/// [`KeyedStates::timers`](crate::KeyedStates::timers).
pub enum TimerState<K: Key, N: Key> {
    /// In memory.
    Heap(TimerQueue<K, N>),
    /// On the local disk.
    #[cfg(feature = "rocksdb")]
    RocksDb(RocksTimers<K, N>),
}

impl<K: Key, N: Key> Default for TimerState<K, N> {
    fn default() -> Self {
        TimerState::Heap(TimerQueue::default())
    }
}

macro_rules! each {
    ($self:expr, $timers:ident => $call:expr) => {
        match $self {
            TimerState::Heap($timers) => $call,
            #[cfg(feature = "rocksdb")]
            TimerState::RocksDb($timers) => $call,
        }
    };
}

impl<K: Key, N: Key> TimerState<K, N> {
    /// Registers a timer; one that is there already stays one.
    #[inline]
    pub fn register(&mut self, time: i64, key: K, namespace: N) {
        each!(self, timers => timers.register(time, key, namespace));
    }
    /// Deletes a timer, if it is there and has not fired.
    #[inline]
    pub fn delete(&mut self, time: i64, key: &K, namespace: &N) {
        each!(self, timers => timers.delete(time, key, namespace));
    }
    /// The next timer with a time `<= up_to`, taken out.
    ///
    /// # Errors
    /// When the local disk fails, or failed at a change before.
    #[inline]
    pub fn pop_due(&mut self, up_to: i64) -> Result<Option<(i64, K, N)>> {
        match self {
            TimerState::Heap(timers) => Ok(timers.pop_due(up_to)),
            #[cfg(feature = "rocksdb")]
            TimerState::RocksDb(timers) => timers.pop_due(up_to),
        }
    }
    /// When the next timer is due; it may be early, never late.
    pub fn next_time(&self) -> Option<i64> {
        each!(self, timers => timers.next_time())
    }
    /// Stores the timers that are in memory as keyed state `name`; those on disk are part of
    /// the snapshot of the [`KeyedStates`](crate::KeyedStates) that they are from.
    pub fn snapshot(&self, name: &str, subtask: &SubtaskInfo, into: &mut OperatorSnapshot) {
        match self {
            TimerState::Heap(timers) => timers.snapshot(name, subtask, into),
            #[cfg(feature = "rocksdb")]
            TimerState::RocksDb(_) => {}
        }
    }
}
