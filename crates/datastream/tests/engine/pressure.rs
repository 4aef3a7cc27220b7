//! Back-pressure: what may be in flight when an operator takes nothing.
//!
//! Invariant: between two tasks at most the credit window, and what one call emits, is
//! on its way per pair of sender and target; everything behind waits.

use crate::support::*;
use millstream_core::{Batch, Result, Watermark};
use millstream_datastream::*;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::*;
use millstream_runtime::*;
use millstream_testkit::MiniCluster;
use std::time::Duration;

/// The window of `exchange`: rows of one sender that may wait at one target.
const WINDOW: u64 = 64 * 1024;
/// What one call may emit beyond it, in buffers and batches on both sides.
const SLACK: u64 = 8 * 1024;

/// Takes nothing until the gate opens; then counts.
struct Gated {
    gate: Gate,
    processed: Count,
}
impl Operator for Gated {
    type In = Batch<u64>;
    type Out = Batch<u64>;
    fn on_batch(&mut self, batch: Batch<u64>, _: &mut Output<Batch<u64>>) -> Result<()> {
        self.processed.add(batch.len() as u64);
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.gate.is_open()
    }
    fn next_processing_time(&self) -> Option<i64> {
        // Looks again soon, in place of a wake-up by whoever opens the gate.
        (!self.gate.is_open()).then_some(0)
    }
    fn on_watermark(&mut self, _: Watermark, _: &mut Output<Batch<u64>>) -> Result<Progress> {
        Ok(Progress::Done)
    }
}

/// Numbers, as fast as the reader is asked.
#[derive(Clone)]
struct Fast {
    rows: u64,
    emitted: Count,
    /// Ends only when this has counted as many rows.
    stays_for: Option<Count>,
}
/// Source, next number, distance to the one after, whether the split is announced.
struct FastReader(Fast, u64, u64, bool);
impl Source for Fast {
    type Out = u64;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<u64>>> {
        let (index, of) = (context.subtask.index as u64, context.subtask.parallelism as u64);
        Ok(Box::new(FastReader(self.clone(), index, of, false)))
    }
}
impl SourceReader<u64> for FastReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, u64>) -> Result<SourcePoll> {
        let FastReader(source, next, step, announced) = self;
        if !std::mem::replace(announced, true) {
            out.add_split();
        }
        let rows = (0..1024).map(|i| *next + i * *step).filter(|n| *n < source.rows);
        let rows: Vec<u64> = rows.collect();
        *next += 1024 * *step;
        let stays = source.stays_for.as_ref().is_some_and(|count| count.get() < source.rows);
        if rows.is_empty() && stays {
            return Ok(SourcePoll::Wait(Some(out.now_ms() + 1)));
        }
        if rows.is_empty() {
            return Ok(SourcePoll::End);
        }
        source.emitted.add(rows.len() as u64);
        let times = rows.iter().map(|n| *n as i64 % 100).collect();
        out.collect_batch(0, Batch::from_parts(rows, times));
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _: millstream_core::Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}
impl Fast {
    fn add_to(self, env: &StreamExecutionEnvironment) -> DataStream<u64> {
        env.from_source(self, WatermarkStrategy::no_watermarks(), "fast")
    }
}

/// Runs a job whose last operator takes nothing; once nothing moves any more, what is in
/// flight is within `bound`, and not everything; then the gate opens and all arrives.
fn holds(
    (workers, processes): (usize, usize),
    total: u64,
    bound: u64,
    build: impl FnOnce(&StreamExecutionEnvironment, &Count) -> DataStream<u64> + Send + 'static,
) {
    assert!(bound < total, "the test would show nothing");
    within_a_minute(move || {
        let env = environment();
        let (gate, emitted, processed) = (Gate::default(), Count::default(), Count::default());
        let (gate_there, processed_there) = (gate.clone(), processed.clone());
        build(&env, &emitted).transform("gated", move |_| {
            Ok(Gated { gate: gate_there.clone(), processed: processed_there.clone() })
        });
        let cluster = MiniCluster::new(workers).processes(processes);
        let job = cluster.start(&env, "pressure").unwrap();
        // Less is processed when it is asked first, so the difference is not too small.
        let in_flight = || {
            let done = processed.get();
            emitted.get() - done
        };
        wait_until("half a window in flight", || in_flight() >= WINDOW / 2);
        // Still for a while: more time could only find more in flight, never less.
        let mut last = 0;
        while emitted.get() > last {
            last = emitted.get();
            std::thread::sleep(Duration::from_millis(300));
        }
        let in_flight = in_flight();
        assert!(in_flight <= bound, "{in_flight} rows in flight, at most {bound} expected");
        gate.open();
        job.wait().unwrap();
        assert_eq!((emitted.get(), processed.get()), (total, total));
    });
}

const LAYOUTS: [(usize, usize); 2] = [(2, 1), (1, 2)];

#[test]
fn a_slow_operator_behind_two_exchanges_holds_the_source() {
    for layout in LAYOUTS {
        // Two edges with two senders and two targets each.
        let bound = 2 * 2 * 2 * (WINDOW + SLACK);
        holds(layout, 900_000, bound, |env, emitted| {
            let source = Fast { rows: 900_000, emitted: emitted.clone(), stays_for: None };
            source
                .add_to(env)
                .key_by(|n| *n)
                .map_with_state(|_: &mut Option<u64>, n| n + 1)
                .rebalance()
        });
    }
}

#[derive(Clone)]
struct First(Count);
impl AggregateFunction for First {
    type In = u64;
    type Acc = u64;
    type Out = u64;
    fn create_accumulator(&self) -> u64 {
        0
    }
    fn add(&self, acc: &mut u64, value: u64) {
        *acc = value;
    }
    fn merge(&self, acc: &mut u64, other: &u64) {
        *acc = *other;
    }
    fn get_result(&self, acc: &u64) -> u64 {
        self.0.add(1);
        *acc
    }
}

/// The final watermark fires a window of each of very many keys.
#[test]
fn a_watermark_that_fires_very_many_windows_waits_for_room() {
    let total = 400_000;
    let bound = 2 * 2 * (WINDOW + SLACK);
    for layout in LAYOUTS {
        holds(layout, total, bound, move |env, emitted| {
            let source = Fast { rows: total, emitted: Count::default(), stays_for: None };
            source
                .add_to(env)
                .key_by(|n| *n)
                .window(TumblingEventTimeWindows::of(Duration::from_millis(100)))
                .aggregate(First(emitted.clone()))
                .rebalance()
        });
    }
    let emitted_by_function = |env: &StreamExecutionEnvironment, emitted: &Count| {
        let emitted = emitted.clone();
        let source = Fast { rows: 400_000, emitted: Count::default(), stays_for: None };
        source
            .add_to(env)
            .key_by(|n| *n)
            .window(TumblingEventTimeWindows::of(Duration::from_millis(100)))
            .process(move |_: &u64, all: &[u64], ctx: &mut WindowContext<'_, u64>| {
                emitted.add(1);
                ctx.collect(all[0]);
                Ok(())
            })
            .rebalance()
    };
    holds((2, 1), total, bound, emitted_by_function);
}

/// One timer for each key, all due at once: at the end of the input, or later on in
/// processing time.
#[derive(Clone)]
struct Timers {
    emitted: Count,
    processing_time: bool,
    at_ms: Option<i64>,
}
impl KeyedProcessFunction for Timers {
    type Key = u64;
    type In = u64;
    type Out = u64;
    fn process_element(&mut self, _: u64, ctx: &mut ProcessContext<'_, u64, u64>) -> Result<()> {
        if self.processing_time {
            let now_ms = ctx.current_processing_time();
            ctx.register_processing_time_timer(*self.at_ms.get_or_insert(now_ms + 1500));
        } else {
            ctx.register_event_time_timer(5000);
        }
        Ok(())
    }
    fn on_timer(&mut self, _: i64, ctx: &mut ProcessContext<'_, u64, u64>) -> Result<()> {
        self.emitted.add(1);
        let key = *ctx.current_key();
        ctx.collect(key);
        Ok(())
    }
}

#[test]
fn timers_that_are_all_due_wait_for_room() {
    let total = 400_000;
    let bound = 2 * 2 * (WINDOW + SLACK);
    for processing_time in [false, true] {
        holds((2, 1), total, bound, move |env, emitted| {
            let emitted = emitted.clone();
            let stays_for = processing_time.then(|| emitted.clone());
            let source = Fast { rows: total, emitted: Count::default(), stays_for };
            let timers = Timers { emitted, processing_time, at_ms: None };
            source.add_to(env).key_by(|n| *n).process(timers).rebalance()
        });
    }
}
