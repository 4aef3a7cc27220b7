//! Restore in mid-window, rescale, and pauses when the downstream is full.

use crate::support::{Attempt, Builder, Fired, KEY_OF, LATE, Row, gather, ms, run, steps};
use millstream_core::{Batch, ErrorKind};
use millstream_runtime::window::{
    ContinuousEventTimeTrigger, CountTrigger, EventTimeSessionWindows, EventTimeTrigger,
    GlobalWindows, PurgingTrigger, SlidingEventTimeWindows, TimeWindow, TumblingEventTimeWindows,
    TumblingProcessingTimeWindows, WindowContext, WindowOperatorFactory,
};
use millstream_testkit::OperatorHarness;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sliding() -> Builder {
    let assigner = SlidingEventTimeWindows::of(ms(7), ms(3));
    Builder::new(KEY_OF, assigner.with_offset_ms(-1)).allowed_lateness(ms(6))
}

/// One of each way to keep state.
pub(crate) fn kinds() -> Vec<WindowOperatorFactory<Batch<Row>, Fired>> {
    let tumbling = || Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(10)));
    let sessions = || Builder::new(KEY_OF, EventTimeSessionWindows::with_gap(ms(4)));
    let global = || Builder::new(KEY_OF, GlobalWindows::create());
    let counted = |key: &u8, rows: &[Row], ctx: &mut WindowContext<'_, Fired>| {
        let firing: &mut u32 = ctx.window_state("firings")?;
        *firing += 1;
        let mut values = vec![*firing];
        values.extend(rows.iter().map(|row| row.1));
        ctx.collect((*key, ctx.window(), values));
        Ok(())
    };
    let numbered = |builder: Builder| builder.late_tag(LATE).process(counted).unwrap();
    let numbered_panes = |builder: Builder| {
        builder.late_tag(LATE).reduce_with(|a, b| (a.0, a.1 + b.1), counted).unwrap()
    };
    vec![
        gather(tumbling()),
        gather(sliding()),
        numbered_panes(sliding()),
        gather(sliding().trigger(EventTimeTrigger)),
        numbered(tumbling().trigger(ContinuousEventTimeTrigger::of(ms(3)))),
        numbered(tumbling().allowed_lateness(ms(9))),
        gather(sessions().allowed_lateness(ms(5))),
        gather(sessions().trigger(PurgingTrigger::of(EventTimeTrigger)).allowed_lateness(ms(5))),
        gather(sessions().trigger(CountTrigger::of(3))),
        gather(global().trigger(PurgingTrigger::of(CountTrigger::of(3)))),
        gather(Builder::sliding_count_window(KEY_OF, 3, 2)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// 1 -> 3 -> 2 subtasks, cut anywhere: the same results, late rows and order per key.
    #[test]
    fn nothing_is_lost_or_doubled_by_rescaling(
        steps in steps(), first in 0usize..12, second in 0usize..24,
    ) {
        let cuts = BTreeMap::from([(first, 3), (first + 1 + second, 2)]);
        for (i, factory) in kinds().iter().enumerate() {
            let whole = run(factory, &steps, &BTreeMap::new()).sorted();
            let parts = run(factory, &steps, &cuts).sorted();
            prop_assert_eq!(whole, parts, "kind {}", i);
        }
    }
}

/// A row that was late before the cut is late after it, though no watermark has come yet.
#[test]
fn event_time_survives_a_restore() {
    for builder in [sliding(), sliding().trigger(EventTimeTrigger)] {
        let factory = gather(builder);
        let mut attempt = Attempt::new(&factory, 1, None);
        attempt.watermark(100);
        let cut = attempt.snapshot();
        let mut harness =
            OperatorHarness::builder(factory.create()).side(LATE).restored(cut).open().unwrap();
        harness.push((1, 1), 50).unwrap();
        harness.watermark(60).unwrap();
        assert_eq!(harness.take_side(&LATE), [((1, 1), 50)]);
        assert!(harness.take_text().is_empty(), "event time does not go back");
        harness.watermark(101).unwrap();
        assert_eq!(harness.take_text(), ["watermark 101"]);
    }
}

#[test]
fn state_of_other_windows_is_refused() {
    let cut = Attempt::new(&gather(sliding()), 1, None).snapshot();
    let other = SlidingEventTimeWindows::of(ms(8), ms(3));
    for builder in [Builder::new(KEY_OF, other), sliding().trigger(EventTimeTrigger)] {
        let operator = gather(builder).create();
        let error = OperatorHarness::builder(operator).restored(cut.clone()).open().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("of 7 ms every 3 ms"), "{error}");
    }
}

/// A watermark that fires very much stops when the downstream is full, and goes on.
#[test]
fn firing_pauses_for_a_full_downstream() {
    let tumbling = || Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(1)));
    for builder in [tumbling(), tumbling().trigger(EventTimeTrigger)] {
        let mut harness = OperatorHarness::new(gather(builder).create());
        let rows: Vec<Row> = (0..3000).map(|i| ((i % 4) as u8, i)).collect();
        let times = (0..3000).collect();
        harness.input(Batch::from_parts(rows, times)).unwrap();
        harness.set_downstream_ready(false).unwrap();
        harness.watermark(5000).unwrap();
        assert!(!harness.is_ready());
        let mut fired = harness.take_output();
        assert!(fired.len() < 3000, "{} in one go", fired.len());
        harness.set_downstream_ready(true).unwrap();
        assert!(harness.is_ready());
        let text = harness.take_events();
        assert!(
            matches!(text.last(), Some(millstream_testkit::Event::Watermark(w)) if w.0 == 5000)
        );
        fired.extend(text.into_iter().filter_map(|event| match event {
            millstream_testkit::Event::Record(fired, time) => Some((fired, time)),
            _ => None,
        }));
        let times: Vec<i64> = fired.iter().map(|(_, time)| *time).collect();
        assert_eq!(times, (0..3000).collect::<Vec<_>>());
    }
}

/// A window of one end with very many keys pauses in the middle of its keys.
#[test]
fn one_window_of_many_keys_pauses_too() {
    use millstream_runtime::window::WindowOperatorBuilder;
    let factory =
        WindowOperatorBuilder::new(|key: &u64| *key, TumblingEventTimeWindows::of(ms(1000)))
            .reduce(|a: u64, _| a)
            .unwrap();
    let mut harness = OperatorHarness::new(factory.create());
    harness.input(Batch::from_parts((0..20_000).collect(), vec![5; 20_000])).unwrap();
    harness.set_downstream_ready(false).unwrap();
    harness.watermark(2000).unwrap();
    let first = harness.take_output();
    assert!(!first.is_empty() && first.len() < 20_000, "{}", first.len());
    harness.set_downstream_ready(true).unwrap();
    let mut keys: Vec<u64> = first.into_iter().chain(harness.take_output()).map(|r| r.0).collect();
    keys.sort_unstable();
    assert_eq!(keys, (0..20_000).collect::<Vec<_>>());
}

/// A job that was drained into a savepoint goes on with new input.
#[test]
fn the_end_of_input_is_not_restored() {
    for builder in [sliding(), sliding().trigger(EventTimeTrigger)] {
        let factory = gather(builder);
        let mut attempt = Attempt::new(&factory, 1, None);
        attempt.watermark(i64::MAX);
        let cut = attempt.snapshot();
        let operator = factory.create();
        let mut harness = OperatorHarness::builder(operator).restored(cut).open().unwrap();
        harness.push((1, 1), 5).unwrap();
        harness.watermark(20).unwrap();
        assert_eq!(harness.take_output().len(), 3);
    }
}

/// Windows that are over leave nothing behind, in memory or in a snapshot.
#[test]
fn windows_that_are_over_are_forgotten() {
    let rows: Vec<(Row, i64)> =
        (0..200).map(|i| (((i % 4) as u8, i as u32), i64::from((i * 7) % 90))).collect();
    // The count windows at the end of the list are global: they are never over.
    for (i, factory) in kinds().iter().take(9).enumerate() {
        let mut attempt = Attempt::new(factory, 1, None);
        attempt.rows(&rows[..100]);
        attempt.watermark(45);
        attempt.rows(&rows[100..]);
        assert!(attempt.snapshot()[0].size_bytes() > 100, "kind {i}");
        attempt.watermark(1000);
        let mut fresh = Attempt::new(factory, 1, None);
        fresh.watermark(1000);
        assert_eq!(attempt.snapshot(), fresh.snapshot(), "kind {i}");
    }
}

#[test]
fn processing_time_windows_are_restored_with_their_timers() {
    let factory = gather(Builder::new(KEY_OF, TumblingProcessingTimeWindows::of(ms(10))));
    let mut before = OperatorHarness::new(factory.create());
    before.processing_time(12).unwrap();
    before.push((1, 1), 0).unwrap();
    let cut = before.snapshot(1).unwrap();
    let builder = OperatorHarness::builder(factory.create()).restored(vec![cut]);
    let mut after = builder.processing_time(14).open().unwrap();
    assert_eq!(after.next_deadline(), Some(20));
    after.push((1, 2), 0).unwrap();
    after.processing_time(3000).unwrap();
    let window = TimeWindow { start: 10, end: 20 };
    assert_eq!(after.take_output(), [((1, window, vec![1, 2]), 19)]);
    assert_eq!(after.next_deadline(), None);
}
