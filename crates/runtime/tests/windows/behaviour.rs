//! Processing time, window state, own triggers, side outputs, and what is refused.

use crate::support::{Builder, Fired, KEY_OF, LATE, Row, gather, ms};
use millstream_core::{Batch, Error, ErrorKind, NO_TIMESTAMP, Result};
use millstream_runtime::OutputTag;
use millstream_runtime::window::{
    BoxedOperator, ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger, CountTrigger,
    DeltaTrigger, EventTimeSessionWindows, EventTimeTrigger, GlobalWindows,
    ProcessingTimeSessionWindows, ProcessingTimeTrigger, SlidingEventTimeWindows,
    SlidingProcessingTimeWindows, TimeWindow, Trigger, TriggerContext, TriggerResult,
    TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner, WindowContext,
};
use millstream_testkit::OperatorHarness;

fn harness(builder: Builder) -> OperatorHarness<BoxedOperator<Batch<Row>, Fired>> {
    OperatorHarness::builder(gather(builder).create()).side(LATE).open().unwrap()
}

/// Results as "key window values" lines.
fn lines(harness: &mut OperatorHarness<BoxedOperator<Batch<Row>, Fired>>) -> Vec<String> {
    let line = |((key, window, values), time)| format!("{key} {window} {values:?} @{time}");
    harness.take_output().into_iter().map(line).collect()
}

#[test]
fn processing_time_windows_fire_when_their_last_millisecond_is_over() {
    let mut harness = harness(Builder::new(KEY_OF, TumblingProcessingTimeWindows::of(ms(10))));
    harness.processing_time(12).unwrap();
    harness.push((1, 1), NO_TIMESTAMP).unwrap();
    assert_eq!(harness.next_deadline(), Some(20));
    harness.processing_time(19).unwrap();
    harness.push((1, 2), 999).unwrap();
    assert!(lines(&mut harness).is_empty(), "19 is in the window");
    harness.processing_time(20).unwrap();
    assert_eq!(lines(&mut harness), ["1 [10, 20) [1, 2] @19"]);
    assert_eq!(harness.next_deadline(), None);
    harness.processing_time(25).unwrap();
    harness.push((2, 3), NO_TIMESTAMP).unwrap();
    harness.end().unwrap();
    assert!(lines(&mut harness).is_empty(), "as in Flink, the end of input is not the end of time");
}

#[test]
fn processing_time_slides_and_sessions() {
    let assigner = SlidingProcessingTimeWindows::of(ms(10), ms(5));
    let mut sliding = harness(Builder::new(KEY_OF, assigner));
    sliding.processing_time(7).unwrap();
    sliding.push((1, 1), 0).unwrap();
    sliding.processing_time(100).unwrap();
    assert_eq!(lines(&mut sliding), ["1 [0, 10) [1] @9", "1 [5, 15) [1] @14"]);

    let assigner = ProcessingTimeSessionWindows::with_gap(ms(10));
    let mut sessions = harness(Builder::new(KEY_OF, assigner));
    for (now, value) in [(5, 1), (12, 2), (40, 3)] {
        sessions.processing_time(now).unwrap();
        sessions.push((1, value), 0).unwrap();
    }
    assert_eq!(lines(&mut sessions), ["1 [5, 22) [1, 2] @21"]);
    sessions.processing_time(50).unwrap();
    assert_eq!(lines(&mut sessions), ["1 [40, 50) [3] @49"]);
}

#[test]
fn continuous_processing_time_fires_at_every_interval_and_at_the_end() {
    let builder = Builder::new(KEY_OF, TumblingProcessingTimeWindows::of(ms(25)))
        .trigger(ContinuousProcessingTimeTrigger::of(ms(10)));
    let mut harness = harness(builder);
    harness.processing_time(3).unwrap();
    harness.push((1, 1), 0).unwrap();
    harness.processing_time(11).unwrap();
    assert_eq!(lines(&mut harness), ["1 [0, 25) [1] @24"]);
    harness.push((1, 2), 0).unwrap();
    harness.processing_time(30).unwrap();
    assert_eq!(lines(&mut harness), ["1 [0, 25) [1, 2] @24", "1 [0, 25) [1, 2] @24"]);
    assert_eq!(harness.next_deadline(), None);
}

#[test]
fn late_records_are_counted_when_nobody_takes_them() {
    for builder in [
        Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(10))),
        Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(10))).trigger(EventTimeTrigger),
        Builder::new(KEY_OF, EventTimeSessionWindows::with_gap(ms(3))),
    ] {
        // A tag without a consumer loses nothing unseen either.
        let mut harness = OperatorHarness::new(gather(builder).create());
        harness.watermark(9).unwrap();
        harness.push((1, 1), 3).unwrap();
        harness.push((1, 2), 10).unwrap();
        assert_eq!(harness.counter("numLateRecordsDropped").get(), 1);
        harness.watermark(30).unwrap();
        assert_eq!(harness.take_output().len(), 1);
    }
}

/// Gives each key a window of its own per million of its value.
struct ByValue;

impl WindowAssigner<Row> for ByValue {
    fn assign(&self, row: &Row, _: i64, _: i64, windows: &mut Vec<TimeWindow>) -> Result<()> {
        let start = i64::from(row.1 / 10) * 10;
        windows.push(TimeWindow { start, end: start + 10 });
        Ok(())
    }
    fn is_event_time(&self) -> bool {
        true
    }
    fn default_trigger(&self) -> std::sync::Arc<dyn Trigger<Row>> {
        std::sync::Arc::new(EventTimeTrigger)
    }
}

/// Fires at every row whose value is larger than all before, by state of its own.
struct Record;

impl Trigger<Row> for Record {
    fn on_element(
        &self,
        row: &Row,
        _: i64,
        _: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        let best: &mut u32 = ctx.state("best")?;
        let record = row.1 > *best;
        *best = row.1.max(*best);
        Ok(if record { TriggerResult::Fire } else { TriggerResult::Continue })
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        let best = ctx.take_merged_states::<u32>("best")?.into_iter().max().unwrap_or(0);
        *ctx.state("best")? = best;
        Ok(())
    }
}

#[test]
fn users_write_assigners_and_triggers() {
    let mut harness1 = harness(Builder::new(KEY_OF, ByValue));
    harness1.push((1, 17), 0).unwrap();
    harness1.push((1, 12), 900).unwrap();
    harness1.watermark(19).unwrap();
    assert_eq!(lines(&mut harness1), ["1 [10, 20) [12, 17] @19"]);

    let sessions = EventTimeSessionWindows::with_gap(ms(10));
    let mut harness2 = harness(Builder::new(KEY_OF, sessions).trigger(Record));
    for (value, time) in [(5, 0), (9, 15), (7, 8)] {
        harness2.push((1, value), time).unwrap();
    }
    // The third row joins both sessions and is no record in the joined one.
    assert_eq!(lines(&mut harness2), ["1 [0, 10) [5] @9", "1 [15, 25) [9] @24"]);
    harness2.push((1, 10), 3).unwrap();
    assert_eq!(lines(&mut harness2), ["1 [0, 25) [5, 7, 9, 10] @24"]);
}

#[test]
fn process_functions_have_window_state_and_side_outputs() {
    const SMALL: OutputTag<u8> = OutputTag::new("small");
    let numbered = |key: &u8, rows: &[Row], ctx: &mut WindowContext<'_, (u32, usize)>| {
        if rows.len() < 2 {
            ctx.output(&SMALL, *key);
        }
        let firing: &mut u32 = ctx.window_state("firing")?;
        *firing += 1;
        let firing = *firing;
        ctx.collect((firing, rows.len()));
        Ok(())
    };
    let builder =
        || Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(10))).allowed_lateness(ms(10));
    let first = |a: Row, _: Row| a;
    let general = builder().process(numbered).unwrap();
    let panes = builder().reduce_with(first, numbered).unwrap();
    for (factory, counts) in [(general, [1, 2]), (panes, [1, 1])] {
        let operator = factory.create();
        let mut harness = OperatorHarness::builder(operator).side(SMALL).open().unwrap();
        harness.push((7, 1), 3).unwrap();
        harness.watermark(9).unwrap();
        harness.push((7, 2), 4).unwrap();
        let results: Vec<_> = harness.take_output();
        assert_eq!(results, [((1, counts[0]), 9), ((2, counts[1]), 9)]);
        assert_eq!(harness.take_side(&SMALL)[0], (7, 9));
    }
    let sessions = EventTimeSessionWindows::with_gap(ms(3));
    let factory = Builder::new(KEY_OF, sessions).process(numbered).unwrap();
    let mut harness = OperatorHarness::builder(factory.create()).side(SMALL).open().unwrap();
    harness.push((7, 1), 3).unwrap();
    assert_eq!(harness.watermark(9).unwrap_err().kind(), ErrorKind::Config);
}

fn refused(builder: Builder) -> Error {
    builder.reduce(|a, _| a).expect_err("refused when it is built")
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    let minute = || Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(60_000)));
    let global = || Builder::new(KEY_OF, GlobalWindows::create());
    let sessions = || Builder::new(KEY_OF, EventTimeSessionWindows::with_gap(ms(5)));
    let offset = TumblingEventTimeWindows::of(ms(5)).with_offset_ms(7);
    let no_slide = SlidingEventTimeWindows::of(ms(5), ms(0));
    for (builder, what) in [
        (minute().allowed_lateness_ms(-5), "-5 ms"),
        (Builder::new(KEY_OF, offset), "offset of 7 ms"),
        (Builder::new(KEY_OF, no_slide), "slide of 0 ms"),
        (Builder::new(KEY_OF, EventTimeSessionWindows::with_gap(ms(0))), "gap of 0 ms"),
        (global().trigger(EventTimeTrigger), "global window"),
        (global().trigger(ProcessingTimeTrigger), "global window"),
        (sessions().trigger(DeltaTrigger::of(1.0, |_: &Row, _: &Row| 0.0)), "cannot merge"),
        (minute().trigger(CountTrigger::of(0)), "count of 0"),
        (minute().trigger(ContinuousEventTimeTrigger::of(ms(0))), "interval of 0 ms"),
        (Builder::count_window(KEY_OF, 0), "count of 0"),
    ] {
        let error = refused(builder);
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("; "), "{text}");
    }
}

#[test]
fn a_time_without_a_window_is_a_bad_record() {
    let tumbling = || Builder::new(KEY_OF, TumblingEventTimeWindows::of(ms(60_000)));
    for builder in [
        tumbling(),
        tumbling().trigger(EventTimeTrigger),
        Builder::new(KEY_OF, EventTimeSessionWindows::with_gap(ms(60_000))),
    ] {
        let factory = gather(builder);
        for (time, what) in
            [(i64::MAX, "9223372036854775807"), (NO_TIMESTAMP, "without event time")]
        {
            let mut harness = OperatorHarness::new(factory.create());
            let error = harness.push((1, 1), time).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data);
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
