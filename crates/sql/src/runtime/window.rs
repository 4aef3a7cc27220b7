//! Windows of event and processing time, cut into slices.
//!
//! ```text
//!   HOP(size 30, slide 10)       |--- window ends 30 ---|
//!                                        |--- window ends 40 ---|
//!   slices                       |--10---|--20---|--30---|--40---|
//! ```
//! A row belongs to one slice; a window is the slices behind its start up to its end. A
//! slice is named by its end. Windows are aligned on the local clock of the session's zone.
//!
//! Invariant: a slice lies in the windows from `first_window_end` to `last_window_end`, one
//! every `interval`, and in no other.
//! Source: Traub et al., "Efficient Window Aggregation with General Stream Slicing", 2019.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, TimeUnit};
use millstream_core::{Error, Result};

use super::agg::native::{array_of_integers, ordered_integers};
use super::spec::{LocalTime, WindowAssigner, WindowColumn};

/// Milliseconds in an hour.
const HOUR_MS: i64 = 3_600_000;

/// The local clock on which windows are aligned; without a zone it is UTC.
#[derive(Clone, Debug, Default)]
pub struct WindowClock(pub Option<Arc<dyn LocalTime>>);

impl WindowClock {
    /// What the clock shows at an instant.
    #[inline]
    pub fn local_ms(&self, instant_ms: i64) -> i64 {
        self.0.as_ref().map_or(instant_ms, |zone| zone.to_local_ms(instant_ms))
    }
    /// The instant that window_time stands for in a column of TIMESTAMP_LTZ.
    pub fn instant_ms(&self, local_ms: i64) -> i64 {
        self.0.as_ref().map_or(local_ms, |zone| zone.to_instant_ms(local_ms))
    }
    /// When a window that ends at `end_ms` (local) is over: once the watermark, or the
    /// processing time, has reached this instant. Where clocks are set back, and a local
    /// time happens twice, it is over after the second time.
    pub fn over_at(&self, end_ms: i64) -> i64 {
        let Some(zone) = &self.0 else { return end_ms.saturating_sub(1) };
        let last = end_ms.saturating_sub(1);
        let (first, later) = (zone.to_instant_ms(last), zone.to_instant_ms(last + HOUR_MS));
        if later - first > HOUR_MS {
            // The local hour happens twice: the second time ends one hour before `later`.
            later - HOUR_MS
        } else if zone.to_local_ms(first) != last {
            // The clock jumps over this time: the window is over where the jump is.
            let mut at = first;
            while at > first - HOUR_MS && zone.to_local_ms(at - 1) > last {
                at -= (at.rem_euclid(HOUR_MS)).max(1);
            }
            at
        } else {
            first
        }
    }
}

fn floor(time: i64, step: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(step)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Windows of fixed places, in slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slicing {
    slice_ms: i64,
    size_ms: i64,
    interval_ms: i64,
    offset_ms: i64,
    cumulates: bool,
}

impl Slicing {
    /// Slices of these windows; `None` for sessions and attached windows.
    ///
    /// # Errors
    /// Configuration: a length is not positive, or lengths do not divide each other.
    pub fn new(window: &WindowAssigner) -> Result<Option<Self>> {
        let slicing = match *window {
            WindowAssigner::Tumble { size_ms, offset_ms } => Slicing {
                slice_ms: size_ms,
                size_ms,
                interval_ms: size_ms,
                offset_ms,
                cumulates: false,
            },
            WindowAssigner::Hop { slide_ms, size_ms, offset_ms } => Slicing {
                slice_ms: gcd(size_ms, slide_ms),
                size_ms,
                interval_ms: slide_ms,
                offset_ms,
                cumulates: false,
            },
            WindowAssigner::Cumulate { step_ms, size_ms, offset_ms } => Slicing {
                slice_ms: step_ms,
                size_ms,
                interval_ms: step_ms,
                offset_ms,
                cumulates: true,
            },
            WindowAssigner::Session { .. } | WindowAssigner::Attached { .. } => return Ok(None),
        };
        if slicing.size_ms <= 0 || slicing.interval_ms <= 0 {
            return Err(Error::config("the size, slide or step of a window is not positive"));
        }
        if slicing.cumulates && slicing.size_ms % slicing.interval_ms != 0 {
            return Err(Error::config("the size of CUMULATE is no multiple of its step"));
        }
        Ok(Some(slicing))
    }
    /// The end of the slice of a local time.
    #[inline]
    pub fn slice_end(&self, time: i64) -> i64 {
        floor(time, self.slice_ms, self.offset_ms) + self.slice_ms
    }
    /// The earliest end of a window that the slice lies in.
    pub fn first_window_end(&self, slice_end: i64) -> i64 {
        if self.cumulates {
            return slice_end;
        }
        let grid = self.offset_ms + self.size_ms;
        let end = floor(slice_end, self.interval_ms, grid);
        if end < slice_end { end + self.interval_ms } else { end }
    }
    /// The latest end of a window that the slice lies in.
    pub fn last_window_end(&self, slice_end: i64) -> i64 {
        if self.cumulates {
            return floor(slice_end - self.slice_ms, self.size_ms, self.offset_ms) + self.size_ms;
        }
        let grid = self.offset_ms + self.size_ms;
        floor(slice_end - self.slice_ms + self.size_ms, self.interval_ms, grid)
    }
    /// The next window behind the one that ends here.
    pub fn next_window_end(&self, window_end: i64) -> i64 {
        window_end + self.interval_ms
    }
    /// The start of the window that ends here.
    pub fn window_start(&self, window_end: i64) -> i64 {
        if self.cumulates {
            floor(window_end - 1, self.size_ms, self.offset_ms)
        } else {
            window_end - self.size_ms
        }
    }
    /// Whether every slice is one window.
    pub fn is_single(&self) -> bool {
        self.slice_ms == self.size_ms && self.interval_ms == self.size_ms
    }
    /// All windows of a local time, newest first as Flink lists them: start and end.
    pub fn windows(&self, time: i64) -> Vec<(i64, i64)> {
        let slice = self.slice_end(time);
        let (first, mut end) = (self.first_window_end(slice), self.last_window_end(slice));
        let mut windows = Vec::new();
        while end >= first {
            windows.push((self.window_start(end), end));
            end -= self.interval_ms;
        }
        if self.cumulates {
            windows.reverse();
        }
        windows
    }
}

/// A column of times in milliseconds.
///
/// # Errors
/// Bug: it is no column of times.
pub fn milliseconds(column: &ArrayRef) -> Result<Vec<i64>> {
    let values = ordered_integers(column)?;
    let units = match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000,
        _ => return Ok(values.into_owned()),
    };
    Ok(values.iter().map(|v| v.div_euclid(units)).collect())
}

/// A column of times, from milliseconds.
///
/// # Errors
/// Bug: `data_type` is no type of times.
pub fn times(values: Vec<Option<i64>>, data_type: &DataType) -> Result<ArrayRef> {
    let units = match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000,
        _ => 1,
    };
    let values = values.into_iter().map(|v| v.map(|v| v.wrapping_mul(units)));
    array_of_integers(values.collect(), data_type)
}

/// A window column of type `data_type` for windows given by start and end.
///
/// # Errors
/// Bug: `data_type` is no type of times.
pub fn window_column(
    which: WindowColumn,
    windows: &[(i64, i64)],
    clock: &WindowClock,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let zoned = matches!(data_type, DataType::Timestamp(_, Some(_)));
    let value = |(start, end): &(i64, i64)| match which {
        WindowColumn::Start => *start,
        WindowColumn::End => *end,
        WindowColumn::Time if zoned => clock.instant_ms(*end - 1),
        WindowColumn::Time => *end - 1,
    };
    times(windows.iter().map(|window| Some(value(window))).collect(), data_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hop(slide_ms: i64, size_ms: i64, offset_ms: i64) -> Slicing {
        Slicing::new(&WindowAssigner::Hop { slide_ms, size_ms, offset_ms }).unwrap().unwrap()
    }

    #[test]
    fn copies_of_a_row_come_in_flinks_order() {
        assert_eq!(hop(10, 30, 0).windows(25), [(20, 50), (10, 40), (0, 30)]);
        let steps = WindowAssigner::Cumulate { step_ms: 10, size_ms: 30, offset_ms: 0 };
        let steps = Slicing::new(&steps).unwrap().unwrap();
        assert_eq!(steps.windows(15), [(0, 20), (0, 30)]);
        assert_eq!(steps.windows(-1), [(-30, 0)]);
    }

    /// A zone whose clock jumps from hour 2 to 3 at instant 7 h, and from 2 back to 1 at 100 h.
    #[derive(Debug)]
    struct Jumping;
    impl LocalTime for Jumping {
        fn to_local_ms(&self, instant_ms: i64) -> i64 {
            let summer = (7 * HOUR_MS..100 * HOUR_MS).contains(&instant_ms);
            instant_ms - if summer { 4 } else { 5 } * HOUR_MS
        }
        fn to_instant_ms(&self, local_ms: i64) -> i64 {
            // As java.time: gaps move forward, the first of two times counts.
            let (winter, summer) = (local_ms + 5 * HOUR_MS, local_ms + 4 * HOUR_MS);
            let in_summer = self.to_local_ms(summer) == local_ms;
            if in_summer { summer } else { winter }
        }
    }

    #[test]
    fn windows_end_with_the_local_clock() {
        let clock = WindowClock(Some(std::sync::Arc::new(Jumping)));
        let over_at = |hour: i64| clock.over_at(hour * HOUR_MS);
        assert_eq!(over_at(2), 7 * HOUR_MS - 1, "before the jump");
        assert_eq!(over_at(3), 7 * HOUR_MS, "inside the gap: where the clock jumps");
        assert_eq!(over_at(4), 8 * HOUR_MS - 1, "after it");
        assert_eq!(over_at(95), 99 * HOUR_MS - 1);
        assert_eq!(over_at(96), 101 * HOUR_MS - 1, "the hour that comes twice is over twice");
        assert_eq!(over_at(97), 102 * HOUR_MS - 1);
        assert_eq!(WindowClock(None).over_at(10), 9);
    }

    proptest! {
        #[test]
        fn a_slice_is_in_the_windows_that_contain_its_times(
            slide in 1i64..12, size in 1i64..30, offset in -9i64..9, time in -50i64..50
        ) {
            let slicing = hop(slide, size, offset);
            prop_assert_eq!(slicing.is_single(), slide == size);
            let mut expected: Vec<(i64, i64)> = (-200..200)
                .map(|k| offset + k * slide)
                .filter(|start| (*start..start + size).contains(&time))
                .map(|start| (start, start + size))
                .collect();
            expected.reverse();
            prop_assert_eq!(slicing.windows(time), expected);
        }
    }
}
