//! A window: a span of time, or all of it.
//!
//! Invariant: `start < end`; arithmetic near the ends of time is checked, so a record
//! whose window does not fit in 64 bits is an error and never lands in another window.

use millstream_core::{Error, EventTime, NO_TIMESTAMP, Result};
use serde::{Deserialize, Serialize};

/// The span `start..end` in milliseconds; [`GLOBAL`](TimeWindow::GLOBAL) is all of time.
///
/// ```
/// use millstream_runtime::window::TimeWindow;
/// let window = TimeWindow { start: 0, end: 60_000 };
/// assert_eq!(window.max_timestamp(), 59_999);
/// assert_eq!(window.to_string(), "[0, 60000)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeWindow {
    /// First millisecond inside.
    pub start: EventTime,
    /// First millisecond behind.
    pub end: EventTime,
}

impl TimeWindow {
    /// The window of `GlobalWindows`: every record of a key, for ever.
    pub const GLOBAL: TimeWindow = TimeWindow { start: i64::MIN, end: i64::MAX };

    /// Whether this is the global window.
    pub fn is_global(self) -> bool {
        self == Self::GLOBAL
    }
    /// The last millisecond inside: the event time of the window's results.
    pub fn max_timestamp(self) -> EventTime {
        if self.is_global() { i64::MAX } else { self.end.saturating_sub(1) }
    }
    /// When a window whose rows may be `lateness_ms` late is forgotten.
    pub(crate) fn cleanup_time(self, lateness_ms: i64) -> EventTime {
        self.max_timestamp().saturating_add(lateness_ms)
    }
    /// Whether the windows share a millisecond or touch (sessions merge then).
    pub(crate) fn touches(self, other: TimeWindow) -> bool {
        self.start <= other.end && self.end >= other.start
    }
    /// The smallest window over both.
    pub(crate) fn cover(self, other: TimeWindow) -> TimeWindow {
        TimeWindow { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
    /// The window of `size` at `start`, for a record at `time`.
    pub(crate) fn starting(start: i64, size: i64, time: EventTime) -> Result<TimeWindow> {
        let end = start.checked_add(size).ok_or_else(|| out_of_time(time, size))?;
        Ok(TimeWindow { start, end })
    }
}

impl std::fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_global() {
            f.write_str("the global window")
        } else {
            write!(f, "[{}, {})", self.start, self.end)
        }
    }
}

/// The error for a record without event time in an event-time window.
pub(crate) fn require_event_time(time: EventTime) -> Result<()> {
    if time == NO_TIMESTAMP {
        return Err(Error::data("a record without event time reached an event-time window")
            .advice(
                "give the source a WatermarkStrategy with a timestamp assigner, or use \
             processing-time windows",
            ));
    }
    Ok(())
}

/// The error for a record whose window does not fit in 64 bits.
pub(crate) fn out_of_time(time: EventTime, size_ms: i64) -> Error {
    Error::data(format!(
        "the event time {time} is so near the end of 64-bit time that its window of {size_ms} ms \
         does not fit"
    ))
    .advice("fix the timestamp assigner (milliseconds since 1970), or drop such records before")
}

/// The largest `offset + n * step` that is not after `time`.
pub(crate) fn floor_to_grid(time: i64, offset: i64, step: i64) -> Option<i64> {
    // offset < step, so the remainder can be taken without the sum overflowing early.
    let behind = (i128::from(time) - i128::from(offset)).rem_euclid(i128::from(step));
    i64::try_from(i128::from(time) - behind).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_floors_before_1970_too() {
        let floor = |time, offset, step| floor_to_grid(time, offset, step);
        assert_eq!(floor(-1, 0, 10), Some(-10));
        assert_eq!(floor(-10, 0, 10), Some(-10));
        assert_eq!(floor(9, 3, 10), Some(3));
        assert_eq!(floor(2, 3, 10), Some(-7));
        assert_eq!(floor(2, -3, 10), Some(-3));
        assert_eq!(floor(i64::MIN + 1, 0, 10), None);
        assert_eq!(floor(i64::MAX, -9, 10), Some(i64::MAX - 6));
    }

    #[test]
    fn the_end_of_time_is_an_error() {
        assert!(TimeWindow::starting(i64::MAX - 5, 10, i64::MAX - 1).is_err());
        assert_eq!(TimeWindow { start: 0, end: 10 }.cleanup_time(i64::MAX), i64::MAX);
        assert_eq!(TimeWindow::GLOBAL.max_timestamp(), i64::MAX);
    }
}
