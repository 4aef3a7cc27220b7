//! Which windows a record belongs to.
//!
//! After the key, before the window's contents. All sizes are milliseconds; offsets may
//! be negative (a day window for UTC+8 has an offset of -8 hours).
//!
//! Invariant: an assigner is checked when the job is built, so that assigning fails only
//! for a record's sake: no event time, a window past the end of time, a gap of 0 or less.
//! Source: Flink's page "Windows", section "Window Assigners".

use super::time_window::require_event_time;
use super::trigger::Trigger;
use super::triggers::{EndOfStreamTrigger, EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger};
use super::{TimeWindow, WindowGrid};
use crate::watermark::millis;
use millstream_core::{Data, Error, EventTime, Result};
use std::sync::Arc;
use std::time::Duration;

/// Assigns windows to records. Write your own for windows that follow a calendar.
pub trait WindowAssigner<T>: Send + Sync + 'static {
    /// Whether the parts fit together; called when the job is built.
    ///
    /// # Errors
    /// `Config`, saying which part is wrong.
    fn check(&self) -> Result<()> {
        Ok(())
    }
    /// Adds the windows of a record to `windows`. `timestamp` is its event time,
    /// `now_ms` processing time.
    ///
    /// # Errors
    /// `Data`, when the record can have no window.
    fn assign(
        &self,
        element: &T,
        timestamp: EventTime,
        now_ms: i64,
        windows: &mut Vec<TimeWindow>,
    ) -> Result<()>;
    /// Whether windows end by the watermark (`true`) or by the clock.
    fn is_event_time(&self) -> bool;
    /// Whether windows that touch become one (sessions).
    fn is_merging(&self) -> bool {
        false
    }
    /// Whether everything goes to [`TimeWindow::GLOBAL`].
    fn is_global(&self) -> bool {
        false
    }
    /// Whether the default trigger fires once, when bounded input has ended. Elements are
    /// then given to a process function in order of event time, as Flink does.
    fn is_at_end_of_stream(&self) -> bool {
        false
    }
    /// The trigger of a window that is given none.
    fn default_trigger(&self) -> Arc<dyn Trigger<T>>;
    /// The grid of event-time windows, when [`assign`](WindowAssigner::assign) gives exactly
    /// those of one: windows that fire by the watermark can then share panes.
    fn grid(&self) -> Option<WindowGrid> {
        None
    }
}

/// Declares an assigner on a grid: its struct, constructors and [`WindowAssigner`].
macro_rules! grid_assigner {
    ($(#[$doc:meta])* $name:ident, event_time: $event_time:literal, $trigger:expr,
     fn $of:ident($($arg:ident),+) = ($size:expr, $slide:expr)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name(WindowGrid);

        impl $name {
            /// Windows that begin at multiples of their distance since 1970.
            pub fn $of($($arg: Duration),+) -> Self {
                $name(WindowGrid::new(millis($size), millis($slide), 0))
            }
            /// Moves the beginning of every window by `offset_ms`, which may be negative.
            pub fn with_offset_ms(self, offset_ms: i64) -> Self {
                $name(self.0.with_offset(offset_ms))
            }
        }

        impl<T: Data> WindowAssigner<T> for $name {
            fn check(&self) -> Result<()> {
                self.0.check()
            }
            fn assign(
                &self,
                _: &T,
                timestamp: EventTime,
                now_ms: i64,
                windows: &mut Vec<TimeWindow>,
            ) -> Result<()> {
                if $event_time {
                    require_event_time(timestamp)?;
                    self.0.assign(timestamp, windows)
                } else {
                    self.0.assign(now_ms, windows)
                }
            }
            fn is_event_time(&self) -> bool {
                $event_time
            }
            fn default_trigger(&self) -> Arc<dyn Trigger<T>> {
                Arc::new($trigger)
            }
            fn grid(&self) -> Option<WindowGrid> {
                $event_time.then_some(self.0)
            }
        }
    };
}

grid_assigner! {
    /// Windows of one size, side by side, in event time.
    ///
    /// ```
    /// use millstream_runtime::window::{TimeWindow, TumblingEventTimeWindows, WindowAssigner};
    /// use std::time::Duration;
    /// let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
    /// let mut windows = Vec::new();
    /// minutes.assign(&7u8, 61_000, 0, &mut windows).unwrap();
    /// assert_eq!(windows, [TimeWindow { start: 60_000, end: 120_000 }]);
    /// ```
    TumblingEventTimeWindows, event_time: true, EventTimeTrigger, fn of(size) = (size, size)
}
grid_assigner! {
    /// Windows of one size that begin every `slide`, in event time. A row is in several
    /// windows when they overlap, and maybe in none when `slide > size`.
    SlidingEventTimeWindows, event_time: true, EventTimeTrigger, fn of(size, slide) = (size, slide)
}
grid_assigner! {
    /// Windows of one size, side by side, in processing time.
    TumblingProcessingTimeWindows, event_time: false, ProcessingTimeTrigger,
    fn of(size) = (size, size)
}
grid_assigner! {
    /// Windows of one size that begin every `slide`, in processing time.
    SlidingProcessingTimeWindows, event_time: false, ProcessingTimeTrigger,
    fn of(size, slide) = (size, slide)
}

/// Declares a session assigner with a fixed gap.
macro_rules! session_assigner {
    ($(#[$doc:meta])* $name:ident, event_time: $event_time:literal, $trigger:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            gap_ms: i64,
        }

        impl $name {
            /// Sessions that end after `gap` without a record of the key.
            pub fn with_gap(gap: Duration) -> Self {
                $name { gap_ms: millis(gap) }
            }
            /// Sessions whose gap in milliseconds depends on the record.
            pub fn with_dynamic_gap<T, F>(gap_ms: F) -> DynamicSessionWindows<F>
            where
                F: Fn(&T) -> i64 + Send + Sync + 'static,
            {
                DynamicSessionWindows { gap_ms, event_time: $event_time }
            }
        }

        impl<T: Data> WindowAssigner<T> for $name {
            fn check(&self) -> Result<()> {
                if self.gap_ms < 1 {
                    return Err(Error::config("a session window has a gap of 0 ms")
                        .advice("use a duration of at least 1 ms"));
                }
                Ok(())
            }
            fn assign(
                &self,
                _: &T,
                timestamp: EventTime,
                now_ms: i64,
                windows: &mut Vec<TimeWindow>,
            ) -> Result<()> {
                windows.push(session($event_time, timestamp, now_ms, self.gap_ms)?);
                Ok(())
            }
            fn is_event_time(&self) -> bool {
                $event_time
            }
            fn is_merging(&self) -> bool {
                true
            }
            fn default_trigger(&self) -> Arc<dyn Trigger<T>> {
                Arc::new($trigger)
            }
        }
    };
}

fn session(event_time: bool, timestamp: i64, now_ms: i64, gap_ms: i64) -> Result<TimeWindow> {
    let start = if event_time {
        require_event_time(timestamp)?;
        timestamp
    } else {
        now_ms
    };
    TimeWindow::starting(start, gap_ms, start)
}

session_assigner! {
    /// Windows of activity in event time. Two records that are exactly the gap apart are
    /// in one session, as in Flink.
    EventTimeSessionWindows, event_time: true, EventTimeTrigger
}
session_assigner! {
    /// Windows of activity in processing time.
    ProcessingTimeSessionWindows, event_time: false, ProcessingTimeTrigger
}

/// Sessions whose gap depends on the record; made by `with_dynamic_gap`.
#[derive(Clone, Debug)]
pub struct DynamicSessionWindows<F> {
    gap_ms: F,
    event_time: bool,
}

impl<T: Data, F: Fn(&T) -> i64 + Send + Sync + 'static> WindowAssigner<T>
    for DynamicSessionWindows<F>
{
    fn assign(
        &self,
        element: &T,
        timestamp: EventTime,
        now_ms: i64,
        windows: &mut Vec<TimeWindow>,
    ) -> Result<()> {
        let gap_ms = (self.gap_ms)(element);
        if gap_ms < 1 {
            return Err(Error::user(format!(
                "the session gap function gave {gap_ms} ms for the record {element:?}"
            ))
            .advice("give every record a gap of at least 1 ms"));
        }
        windows.push(session(self.event_time, timestamp, now_ms, gap_ms)?);
        Ok(())
    }
    fn is_event_time(&self) -> bool {
        self.event_time
    }
    fn is_merging(&self) -> bool {
        true
    }
    fn default_trigger(&self) -> Arc<dyn Trigger<T>> {
        if self.event_time { Arc::new(EventTimeTrigger) } else { Arc::new(ProcessingTimeTrigger) }
    }
}

/// One window for all records of a key; fires only by a trigger of its own.
#[derive(Clone, Copy, Debug)]
pub struct GlobalWindows {
    at_end_of_stream: bool,
}

impl GlobalWindows {
    /// A window that never fires unless it is given a trigger.
    pub fn create() -> Self {
        GlobalWindows { at_end_of_stream: false }
    }
    /// A window that fires when bounded input has ended.
    pub fn create_with_end_of_stream_trigger() -> Self {
        GlobalWindows { at_end_of_stream: true }
    }
}

impl<T: Data> WindowAssigner<T> for GlobalWindows {
    fn assign(&self, _: &T, _: EventTime, _: i64, windows: &mut Vec<TimeWindow>) -> Result<()> {
        windows.push(TimeWindow::GLOBAL);
        Ok(())
    }
    fn is_event_time(&self) -> bool {
        false
    }
    fn is_global(&self) -> bool {
        true
    }
    fn is_at_end_of_stream(&self) -> bool {
        self.at_end_of_stream
    }
    fn default_trigger(&self) -> Arc<dyn Trigger<T>> {
        if self.at_end_of_stream { Arc::new(EndOfStreamTrigger) } else { Arc::new(NeverTrigger) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(assigner: &dyn WindowAssigner<u8>, time: i64) -> Result<Vec<(i64, i64)>> {
        let mut windows = Vec::new();
        assigner.assign(&0, time, 500, &mut windows)?;
        Ok(windows.into_iter().map(|w| (w.start, w.end)).collect())
    }
    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn windows_of_a_time() {
        let sliding = SlidingEventTimeWindows::of(ms(7), ms(3)).with_offset_ms(2);
        assert_eq!(windows(&sliding, 3).unwrap(), [(2, 9), (-1, 6)]);
        let gaps = SlidingEventTimeWindows::of(ms(4), ms(10));
        assert_eq!(windows(&gaps, 5).unwrap(), []);
        let clock = TumblingProcessingTimeWindows::of(ms(100)).with_offset_ms(-30);
        assert_eq!(windows(&clock, 3).unwrap(), [(470, 570)]);
        let session = EventTimeSessionWindows::with_gap(ms(10));
        assert_eq!(windows(&session, -3).unwrap(), [(-3, 7)]);
    }

    #[test]
    fn records_without_a_window_are_errors_that_name_the_time() {
        let minutes = TumblingEventTimeWindows::of(ms(60_000));
        let error = windows(&minutes, i64::MIN).unwrap_err().to_string();
        assert!(error.contains("without event time"), "{error}");
        for time in [i64::MIN + 1, i64::MAX] {
            let error = windows(&minutes, time).unwrap_err().to_string();
            assert!(error.contains(&time.to_string()), "{error}");
        }
        let session = EventTimeSessionWindows::with_gap(ms(10));
        assert!(windows(&session, i64::MAX - 3).is_err());
        let dynamic = EventTimeSessionWindows::with_dynamic_gap(|_: &u8| -5);
        let error = windows(&dynamic, 1).unwrap_err().to_string();
        assert!(error.contains("-5 ms"), "{error}");
    }

    #[test]
    fn parts_are_checked() {
        let check = |assigner: &dyn WindowAssigner<u8>| assigner.check().is_ok();
        assert!(!check(&TumblingEventTimeWindows::of(ms(0))));
        assert!(!check(&TumblingEventTimeWindows::of(ms(5)).with_offset_ms(-5)));
        assert!(check(&TumblingEventTimeWindows::of(ms(5)).with_offset_ms(-4)));
        assert!(!check(&SlidingEventTimeWindows::of(ms(5), ms(0))));
        assert!(!check(&SlidingProcessingTimeWindows::of(ms(50), ms(5)).with_offset_ms(9)));
        assert!(!check(&ProcessingTimeSessionWindows::with_gap(Duration::from_micros(3))));
        assert!(check(&GlobalWindows::create()));
    }
}
