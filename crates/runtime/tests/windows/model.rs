//! Both window operators against each other and against a model that is simple to read.

use crate::support::{Builder, Fired, KEY_OF, LATE, Outcome, Row, Step, gather, ms, run, steps};
use millstream_core::Result;
use millstream_runtime::window::{
    EventTimeSessionWindows, EventTimeTrigger, SlidingEventTimeWindows, TimeWindow,
    TumblingEventTimeWindows, WindowContext,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Grid {
    size: i64,
    slide: i64,
    offset: i64,
    lateness: i64,
}

fn grid() -> impl Strategy<Value = Grid> {
    (1i64..15, 1i64..15, -14i64..15, prop_oneof![Just(0i64), 1i64..12]).prop_map(
        |(size, slide, offset, lateness)| Grid { size, slide, offset: offset % slide, lateness },
    )
}

fn sliding(grid: Grid) -> Builder {
    let assigner = SlidingEventTimeWindows::of(ms(grid.size), ms(grid.slide));
    Builder::new(KEY_OF, assigner.with_offset_ms(grid.offset)).allowed_lateness(ms(grid.lateness))
}

/// The windows of `time`, the newest first, found by looking at each.
fn windows_of(grid: Grid, time: i64) -> Vec<TimeWindow> {
    let starts = (-40..40).map(|n| grid.offset + n * grid.slide);
    let windows = (starts.clone().min().unwrap() - 80..=time)
        .rev()
        .filter(|start| (start - grid.offset).rem_euclid(grid.slide) == 0)
        .map(|start| TimeWindow { start, end: start + grid.size });
    windows.filter(|w| w.start <= time && time < w.end).collect()
}

fn model(grid: Grid, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut contents: BTreeMap<(TimeWindow, u8), Vec<u32>> = BTreeMap::new();
    let (mut value, mut now, mut seen) = (0, -20, i64::MIN);
    for (i, step) in steps.iter().enumerate() {
        match step {
            Step::Rows(rows) => {
                for (key, time) in rows {
                    value += 1;
                    let mut taken = false;
                    for window in windows_of(grid, *time) {
                        if window.end - 1 + grid.lateness <= seen {
                            continue;
                        }
                        taken = true;
                        let values = contents.entry((window, *key)).or_default();
                        values.push(value);
                        if window.end - 1 <= seen {
                            outcome.fire(i, *key, window, values.clone(), window.end - 1);
                        }
                    }
                    if !taken && time + grid.lateness <= seen {
                        outcome.late.push(((*key, value), *time));
                    }
                }
            }
            Step::Watermark(by) => {
                now += by;
                for ((window, key), values) in &contents {
                    if seen < window.end - 1 && window.end - 1 <= now {
                        outcome.fire(i, *key, *window, values.clone(), window.end - 1);
                    }
                }
                seen = now;
            }
        }
    }
    for ((window, key), values) in &contents {
        if seen < window.end - 1 {
            outcome.fire(steps.len(), *key, *window, values.clone(), window.end - 1);
        }
    }
    outcome
}

/// A live session: window, values.
type Session = (TimeWindow, Vec<u32>);

/// Sessions by the rules of late rows: a row is in time when the session that it makes,
/// with all that it touches, is not cleaned up.
fn session_model(gap: i64, lateness: i64, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut live: BTreeMap<u8, Vec<Session>> = BTreeMap::new();
    let (mut value, mut now, mut seen) = (0, -20, i64::MIN);
    let end = Step::Watermark(1_000_000);
    for (i, step) in steps.iter().chain([&end]).enumerate() {
        match step {
            Step::Rows(rows) => {
                for (key, time) in rows {
                    value += 1;
                    let sessions = live.entry(*key).or_default();
                    let new = TimeWindow { start: *time, end: time + gap };
                    let (touched, apart): (Vec<Session>, Vec<Session>) = sessions
                        .drain(..)
                        .partition(|(w, _)| w.start <= new.end && new.start <= w.end);
                    *sessions = apart;
                    let start = touched.iter().map(|(w, _)| w.start).min().unwrap_or(new.start);
                    let end = touched.iter().map(|(w, _)| w.end).max().unwrap_or(new.end);
                    let window = TimeWindow { start: start.min(new.start), end: end.max(new.end) };
                    if window.end - 1 + lateness <= seen {
                        assert!(touched.is_empty(), "a live session makes a live one");
                        if time + lateness <= seen {
                            outcome.late.push(((*key, value), *time));
                        }
                        continue;
                    }
                    let mut values: Vec<u32> = touched.into_iter().flat_map(|s| s.1).collect();
                    values.push(value);
                    values.sort_unstable();
                    if window.end - 1 <= seen {
                        outcome.fire(i, *key, window, values.clone(), window.end - 1);
                    }
                    sessions.push((window, values));
                }
            }
            Step::Watermark(by) => {
                now += by;
                for (key, sessions) in &mut live {
                    sessions.sort_unstable();
                    for (window, values) in sessions.iter() {
                        if seen < window.end - 1 && window.end - 1 <= now {
                            outcome.fire(i, *key, *window, values.clone(), window.end - 1);
                        }
                    }
                    sessions.retain(|(window, _)| window.end - 1 + lateness > now);
                }
                seen = now;
            }
        }
    }
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn sessions_with_late_rows_are_the_model(
        gap in 1i64..8, lateness in prop_oneof![Just(0i64), 1i64..12], steps in steps(),
    ) {
        let sessions = EventTimeSessionWindows::with_gap(ms(gap));
        let factory = gather(Builder::new(KEY_OF, sessions).allowed_lateness(ms(lateness)));
        prop_assert_eq!(run(&factory, &steps, &BTreeMap::new()), session_model(gap, lateness, &steps));
    }

    #[test]
    fn panes_and_the_general_operator_do_what_the_model_does(grid in grid(), steps in steps()) {
        let model = model(grid, &steps);
        let never = BTreeMap::new();
        prop_assert_eq!(&run(&gather(sliding(grid)), &steps, &never), &model);
        let general = gather(sliding(grid).trigger(EventTimeTrigger));
        prop_assert_eq!(&run(&general, &steps, &never), &model);
        let in_order = gather(sliding(grid).in_arrival_order());
        prop_assert_eq!(&run(&in_order, &steps, &never), &model);
    }

    /// A pane that is a whole window has its rows in order of arrival: any reduce will do.
    #[test]
    fn tumbling_panes_keep_the_order_of_arrival(
        size in 1i64..15, lateness in 0i64..12, steps in steps(),
    ) {
        let last = |builder: Builder| {
            let emit = |key: &u8, rows: &[Row], ctx: &mut WindowContext<'_, Fired>| -> Result<()> {
                ctx.collect((*key, ctx.window(), rows.iter().map(|row| row.1).collect()));
                Ok(())
            };
            builder.late_tag(LATE).reduce_with(|_, last| last, emit).unwrap()
        };
        let builder = || Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(size)))
            .allowed_lateness(ms(lateness));
        let never = BTreeMap::new();
        let general = last(builder().trigger(EventTimeTrigger));
        prop_assert_eq!(run(&last(builder()), &steps, &never), run(&general, &steps, &never));
    }

    /// Without lateness or late rows, sessions are the gaps in the sorted times.
    #[test]
    fn sessions_are_the_gaps(
        gap in 1i64..8, rows in prop::collection::vec((0u8..3, -30i64..50), 0..40),
    ) {
        let mut sorted: Vec<(u8, i64, u32)> =
            rows.iter().zip(1..).map(|((key, time), value)| (*key, *time, value)).collect();
        sorted.sort_unstable();
        let mut sessions: Vec<(u8, TimeWindow, Vec<u32>)> = Vec::new();
        for (key, time, value) in sorted {
            match sessions.last_mut() {
                Some((k, w, values)) if *k == key && time <= w.end => {
                    w.end = time + gap;
                    values.push(value);
                }
                _ => sessions.push((key, TimeWindow { start: time, end: time + gap }, vec![value])),
            }
        }
        let mut model = Outcome::default();
        for (key, window, mut values) in sessions {
            values.sort_unstable();
            model.fire(1, key, window, values, window.end - 1);
        }
        let factory = gather(Builder::new(KEY_OF, EventTimeSessionWindows::with_gap(ms(gap))));
        prop_assert_eq!(run(&factory, &[Step::Rows(rows)], &BTreeMap::new()), model);
    }
}
