//! The grid on which windows lie, and its panes: what overlapping windows are made of.
//!
//! ```text
//!   size 7, slide 3:   |0    |1|  |3    |4|  |6    |7|        a pane ends where a
//!   windows             [0, 7)                                window begins or ends:
//!                             [3, 10)                         at most two per slide
//! ```
//!
//! With `rest = size % slide`, the panes of the slide that begins at `b` are the head
//! `[b, b + rest)` (none when rest is 0) and the tail `[b + rest, b + slide)`. When the
//! slide is longer than the size, the head is the window and the tail is in no window.
//!
//! Invariant: every window is the union of whole panes.
//! Source: Krishnamurthy et al., "On-the-fly sharing for streamed aggregation", SIGMOD
//! 2006 (paired windows).

use super::TimeWindow;
use super::time_window::{floor_to_grid, out_of_time, require_event_time};
use millstream_core::{Error, EventTime, Result};

/// What the names of layouts of stored panes begin with.
const LAYOUT: &str = "panes of windows of";

/// Windows of one size that begin at regular times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowGrid {
    size: i64,
    slide: i64,
    offset: i64,
}

/// A span of time that no window divides, and the windows that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pane {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Starts of the first and of the last window that it is in; `None` in a gap.
    pub(crate) windows: Option<(i64, i64)>,
}

impl WindowGrid {
    /// Windows of `size_ms` that begin at `offset_ms`, before and after it every `slide_ms`.
    pub fn new(size_ms: i64, slide_ms: i64, offset_ms: i64) -> Self {
        WindowGrid { size: size_ms, slide: slide_ms, offset: offset_ms }
    }
    pub(crate) fn with_offset(self, offset_ms: i64) -> Self {
        WindowGrid { offset: offset_ms, ..self }
    }
    /// Whether this is a grid.
    pub(crate) fn check(self) -> Result<()> {
        let positive = "use a duration of at least 1 ms";
        if self.size < 1 {
            return Err(Error::config("a window has a size of 0 ms").advice(positive));
        }
        if self.slide < 1 {
            return Err(Error::config("a sliding window has a slide of 0 ms").advice(positive));
        }
        if self.offset.unsigned_abs() >= self.slide.unsigned_abs() {
            return Err(Error::config(format!(
                "a window has an offset of {} ms, its windows begin every {} ms",
                self.offset, self.slide
            ))
            .advice("use an offset that is smaller, in either direction"));
        }
        Ok(())
    }
    /// Adds the windows around `time`, the newest first.
    pub(crate) fn assign(self, time: i64, windows: &mut Vec<TimeWindow>) -> Result<()> {
        let fits = || out_of_time(time, self.size);
        let mut start = floor_to_grid(time, self.offset, self.slide).ok_or_else(fits)?;
        // Compared as a distance, which cannot overflow: start <= time.
        while time.abs_diff(start) < self.size.unsigned_abs() {
            windows.push(TimeWindow::starting(start, self.size, time)?);
            start = start.checked_sub(self.slide).ok_or_else(fits)?;
        }
        Ok(())
    }
    /// Whether windows overlap, so that a pane is in several of them.
    pub(crate) fn overlap(self) -> bool {
        self.slide < self.size
    }
    pub(crate) fn slide(self) -> i64 {
        self.slide
    }
    /// The window that starts at `start`, which a pane has vouched for.
    pub(crate) fn window(self, start: i64) -> TimeWindow {
        TimeWindow { start, end: start.saturating_add(self.size) }
    }
    /// The pane around `time`.
    ///
    /// # Errors
    /// `Data` when there is no time, or one of its windows would not fit.
    pub(crate) fn pane_of(self, time: EventTime) -> Result<Pane> {
        require_event_time(time)?;
        self.around(time).ok_or_else(|| out_of_time(time, self.size))
    }
    fn around(self, time: i64) -> Option<Pane> {
        let base = floor_to_grid(time, self.offset, self.slide)?;
        let (per_size, rest) = (self.size / self.slide, self.size % self.slide);
        // The last window's end must fit, and one slide more, so that sums stay in range.
        base.checked_add(self.size)?.checked_add(self.slide)?;
        let before = |slides: i64| base.checked_sub(slides.checked_mul(self.slide)?);
        if time.abs_diff(base) < rest.unsigned_abs() {
            let windows = Some((before(per_size)?, base));
            return Some(Pane { start: base, end: base + rest, windows });
        }
        let windows = if per_size == 0 { None } else { Some((before(per_size - 1)?, base)) };
        Some(Pane { start: base + rest, end: base + self.slide, windows })
    }
    /// The start of the first window whose last millisecond is after `watermark`, or
    /// `i64::MAX` when there is none.
    pub(crate) fn first_open_window(self, watermark: EventTime) -> i64 {
        if watermark == i64::MAX {
            return i64::MAX;
        }
        // start + size - 1 > watermark, at the earliest grid point.
        let at_least = watermark.saturating_sub(self.size).saturating_add(2);
        match floor_to_grid(at_least, self.offset, self.slide) {
            Some(floor) if floor == at_least => floor,
            Some(floor) => floor.saturating_add(self.slide),
            None => i64::MIN,
        }
    }
    /// Names the layout of stored panes, which depends on the grid.
    pub(crate) fn layout(self) -> String {
        format!("{LAYOUT} {} ms every {} ms at {} ms", self.size, self.slide, self.offset)
    }
    /// Whether a layout is one of panes, of whatever grid.
    pub(crate) fn is_layout(layout: &str) -> bool {
        layout.starts_with(LAYOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SlidingEventTimeWindows, WindowAssigner};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn a_pane_is_in_the_windows_that_the_assigner_gives(
            size in 1i64..20, slide in 1i64..20, offset in -19i64..20, time in -60i64..60,
        ) {
            prop_assume!(offset.abs() < slide);
            let grid = WindowGrid::new(size, slide, offset);
            let pane = grid.pane_of(time).unwrap();
            prop_assert!(pane.start <= time && time < pane.end);
            let ms = |n: i64| Duration::from_millis(n as u64);
            let assigner = SlidingEventTimeWindows::of(ms(size), ms(slide)).with_offset_ms(offset);
            for t in pane.start..pane.end {
                let mut windows = Vec::new();
                assigner.assign(&0u8, t, 0, &mut windows).unwrap();
                let ends = windows.last().map(|last| (last.start, windows[0].start));
                prop_assert_eq!(ends, pane.windows);
                prop_assert_eq!(grid.pane_of(t).unwrap(), pane);
                for window in &windows {
                    prop_assert!(window.start <= pane.start && pane.end <= window.end);
                    prop_assert_eq!(grid.window(window.start), *window);
                }
            }
            let open = grid.first_open_window(time);
            prop_assert!(open + size - 1 > time && open - slide + size - 1 <= time);
            prop_assert_eq!((open - offset).rem_euclid(slide), 0);
        }
    }

    #[test]
    fn the_ends_of_time() {
        let grid = WindowGrid::new(10, 5, 0);
        assert!(grid.pane_of(i64::MIN).is_err());
        assert!(grid.pane_of(i64::MIN + 3).is_err());
        assert!(grid.pane_of(i64::MAX).is_err());
        assert_eq!(grid.first_open_window(i64::MIN), i64::MIN);
        assert_eq!(grid.first_open_window(i64::MAX), i64::MAX);
    }
}
