//! What user code has at hand, in words, for the report of an error or a panic.
//!
//! Invariant: made only when something failed; the hot path stores a number at most.

use super::TimeWindow;
use crate::source_node::show;
use millstream_core::{Data, EventTime, NO_TIMESTAMP};

/// A record that was moved into user code and cannot be shown.
pub(super) fn at_time(time: EventTime) -> String {
    if time == NO_TIMESTAMP {
        "record without event time".into()
    } else {
        format!("record at event time {time}")
    }
}

/// A window that fires.
pub(super) fn at_window<K: Data>(key: &K, window: TimeWindow) -> String {
    format!("key {}, window {window}", show(key))
}
