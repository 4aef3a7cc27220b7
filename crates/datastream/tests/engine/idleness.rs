//! Splits that stop without an end, that end while others are idle, or that run ahead.
//!
//! Invariants: an idle split holds nothing up and loses nothing; only the end of *all*
//! splits is the end of event time; an aligned split is never further ahead of the
//! slowest than it may, by event time.

use crate::support::*;
use millstream_core::{Batch, Result, Watermark};
use millstream_datastream::{DataStream, StreamExecutionEnvironment};
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::TumblingEventTimeWindows;
use millstream_runtime::*;
use millstream_testkit::MiniCluster;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Event = (u64, i64);
const LATE: OutputTag<Event> = OutputTag::new("late");

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
fn in_order(idleness_ms: u64) -> WatermarkStrategy<Event> {
    WatermarkStrategy::for_monotonous_timestamps().with_idleness(ms(idleness_ms))
}
/// Times `from..to`, as records of one split.
fn times(split: u64, range: std::ops::Range<i64>) -> Vec<(Event, i64)> {
    range.map(|t| ((split, t), t)).collect()
}

/// Sums of ten milliseconds for each split; late records go to `late`.
fn windows(events: &DataStream<Event>, late: &Collect<Event>) -> DataStream<Event> {
    let sums = events
        .key_by(|e| e.0)
        .window(TumblingEventTimeWindows::of(ms(10)))
        .side_output_late_data(LATE)
        .reduce(|a, b| (a.0, a.1 + b.1));
    sums.side_output(&LATE).sink_to(late.clone());
    sums
}

/// What [`windows`] gives for [`times`].
fn sums(split: u64, range: std::ops::Range<i64>) -> Vec<Event> {
    let (first, last) = (range.start / 10, (range.end + 9) / 10);
    let sum = |w: i64| (w * 10..w * 10 + 10).filter(|t| range.contains(t)).sum();
    (first..last).map(|w| (split, sum(w))).collect()
}

const LAYOUTS: [(usize, usize); 6] = [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2)];

/// Two splits go on while the third stops; gives what fired and what was late.
fn one_stops(workers: usize, processes: usize, rebalance: bool) -> (Vec<Event>, Vec<Event>) {
    let (sink, late, seen) = (Collect::default(), Collect::default(), Watermarks::default());
    let gate = Gate::default();
    let (sink_there, late_there, seen_there) = (sink.clone(), late.clone(), seen.clone());
    within_a_minute(move || {
        let env = environment();
        // The split that stops goes on with times that the others have not reached.
        let mut split2 = times(2, 0..5);
        split2.extend(times(2, 5000..5100));
        let splits = vec![times(0, 0..1000), times(1, 0..1000), split2];
        let source = Script::new(splits).stop(2, 5, &gate);
        let events = env.from_source(source, in_order(20), "events");
        let events = if rebalance { events.rebalance().map(|e| e) } else { events };
        let sums = windows(&events, &late_there);
        probe(&sums, true, &seen_there).sink_to(sink_there.clone());
        let cluster = MiniCluster::new(workers).processes(processes);
        let job = cluster.start(&env, "idle").unwrap();
        // All but the last window of the two: the third holds nothing up any more.
        wait_until("windows of the others", || sink_there.len() > 2 * 99);
        gate.open();
        job.wait().unwrap();
    });
    check_watermarks(&seen, workers * processes);
    (sink.sorted(), late.sorted())
}

#[test]
fn an_idle_split_holds_nothing_up_and_loses_nothing() {
    for (workers, processes) in LAYOUTS {
        let mut want =
            [sums(0, 0..1000), sums(1, 0..1000), sums(2, 0..5), sums(2, 5000..5100)].concat();
        want.sort_unstable();
        let (fired, late) = one_stops(workers, processes, false);
        assert_eq!(late, []);
        assert_eq!(fired, want);
        // On two ways that wake up one after the other, records of the second can be late,
        // as in Flink; none is lost.
        let (fired, late) = one_stops(workers, processes, true);
        let sum = |events: &[Event]| events.iter().map(|e| e.1).sum::<i64>();
        assert_eq!(sum(&fired) + sum(&late), sum(&want));
        assert!(late.iter().all(|e| e.0 == 2 && e.1 >= 5000), "{late:?}");
    }
}

#[test]
fn without_idleness_a_split_that_stops_holds_everything_up() {
    let sink = Collect::default();
    let there = sink.clone();
    within_a_minute(move || {
        let env = environment();
        let gate = Gate::default();
        let source = Script::new(vec![times(0, 0..1000), times(1, 0..1000)]).stop(1, 500, &gate);
        let emitted = source.emitted.clone();
        let late = Collect::default();
        let events =
            env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "events");
        windows(&events, &late).sink_to(there.clone());
        let job = MiniCluster::new(1).start(&env, "held up").unwrap();
        wait_until("all that can be read", || emitted.get() == 1500);
        wait_until("windows before the stop", || there.len() >= 2 * 49);
        assert_eq!(there.len(), 2 * 49, "nothing behind the stop fires");
        gate.open();
        job.wait().unwrap();
        assert_eq!(late.len(), 0);
    });
    assert_eq!(sink.len(), 200);
}

/// Notes that the input is idle.
struct IdleProbe(Count);
impl Operator for IdleProbe {
    type In = Batch<Event>;
    type Out = Batch<Event>;
    fn on_batch(&mut self, batch: Batch<Event>, out: &mut Output<Batch<Event>>) -> Result<()> {
        out.emit(batch);
        Ok(())
    }
    fn on_watermark(&mut self, _: Watermark, _: &mut Output<Batch<Event>>) -> Result<Progress> {
        Ok(Progress::Done)
    }
    fn on_idle(&mut self, idle: bool, _: &mut Output<Batch<Event>>) -> Result<bool> {
        self.0.add(u64::from(idle));
        Ok(true)
    }
}

/// One split ends, the other is idle and goes on later: what it has then is on time.
fn ends_beside_an_idle_one(finish_splits: bool, workers: usize, processes: usize) {
    let (sink, late) = (Collect::default(), Collect::default());
    let (sink_there, late_there) = (sink.clone(), late.clone());
    within_a_minute(move || {
        let env = environment();
        let gate = Gate::default();
        let mut later = times(1, 0..5);
        later.extend(times(1, 200..300));
        let mut source = Script::new(vec![times(0, 0..100), later]).stop(1, 5, &gate);
        source.finish_splits = finish_splits;
        let idle = Count::default();
        let noted = idle.clone();
        let events = env.from_source(source, in_order(10), "events");
        let events = events
            .rebalance()
            .transform("idle probe", move |_| Ok(IdleProbe(noted.clone())))
            .set_parallelism(1);
        windows(&events, &late_there).sink_to(sink_there);
        let cluster = MiniCluster::new(workers).processes(processes);
        let job = cluster.start(&env, "end").unwrap();
        wait_until("idleness", || idle.get() > 0);
        gate.open();
        job.wait().unwrap();
    });
    assert_eq!(late.sorted(), vec![], "late, {finish_splits} {workers} {processes}");
    let mut want = [sums(0, 0..100), sums(1, 0..5), sums(1, 200..300)].concat();
    want.sort_unstable();
    assert_eq!(sink.sorted(), want);
}

#[test]
fn the_end_of_a_split_beside_an_idle_one_is_not_the_end_of_time() {
    ends_beside_an_idle_one(true, 1, 1);
    ends_beside_an_idle_one(false, 2, 1);
    ends_beside_an_idle_one(true, 2, 1);
    ends_beside_an_idle_one(true, 1, 2);
}

/// Event times as they pass, and the largest distance seen between two sides.
#[derive(Clone, Default)]
struct Distance(Arc<Mutex<()>>, Arc<[AtomicI64; 2]>, Arc<AtomicI64>);
impl Distance {
    fn pass(&self, side: usize, time: i64) {
        let _one_at_a_time = self.0.lock().unwrap();
        self.1[side].fetch_max(time, Ordering::SeqCst);
        let of = |i: usize| self.1[i].load(Ordering::SeqCst);
        self.2.fetch_max(of(0) - of(1), Ordering::SeqCst);
    }
    fn largest(&self) -> i64 {
        self.2.load(Ordering::SeqCst)
    }
}

fn aligned(drift: u64) -> WatermarkStrategy<Event> {
    WatermarkStrategy::for_monotonous_timestamps().with_watermark_alignment("all", ms(drift), ms(1))
}

#[test]
fn a_fast_source_waits_for_the_slow_one_of_its_group() {
    for (workers, processes) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        let distance = Distance::default();
        let there = distance.clone();
        let count = within_a_minute(move || {
            let env = environment();
            let sink = Collect::default();
            let mut fast = Script::new(vec![times(0, 0..2000)]);
            fast.rows_per_poll = 50;
            // The slow one stays at its first record until the fast one is ahead by its drift.
            let ahead = Gate::default();
            let mut slow = Script::new(vec![times(1, 0..2000)]).stop_all(1, &ahead);
            slow.rows_per_poll = 1;
            let (fast_side, slow_side) = (there.clone(), there.clone());
            let fast = env.from_source(fast, aligned(100), "fast").set_parallelism(1);
            let fast = fast.map(move |e| {
                fast_side.pass(0, e.1);
                if e.1 >= 100 {
                    ahead.open();
                }
                e
            });
            // The slow one runs on the last worker when there is one more.
            let slow = env.from_source(slow, aligned(100), "slow").map(move |e| {
                slow_side.pass(1, e.1);
                e
            });
            fast.union(&[&slow]).sink_to(sink.clone());
            let cluster = MiniCluster::new(workers).processes(processes);
            cluster.execute(&env, "aligned").unwrap();
            sink.len()
        });
        assert_eq!(count, 4000);
        // The drift, and what one poll reads.
        let largest = distance.largest();
        assert!(largest <= 100 + 51, "{workers}x{processes}: {largest}");
        assert!(largest >= 100, "{workers}x{processes}: the fast one was never ahead: {largest}");
    }
}

/// Reads two splits at different speed, and leaves those alone that are paused.
#[derive(Clone)]
struct TwoSpeeds(Distance);
struct TwoSpeedsReader(Distance, [i64; 2], Vec<bool>, bool);
impl Source for TwoSpeeds {
    type Out = Event;
    fn create_reader(&self, _: &OperatorContext) -> Result<Box<dyn SourceReader<Event>>> {
        Ok(Box::new(TwoSpeedsReader(self.0.clone(), [0; 2], vec![false; 2], true)))
    }
}
impl SourceReader<Event> for TwoSpeedsReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, Event>) -> Result<SourcePoll> {
        if std::mem::replace(&mut self.3, false) {
            out.add_split();
            out.add_split();
        }
        for (split, rows) in [(0, 20), (1, 1)] {
            for _ in 0..rows {
                if !self.2[split] && self.1[split] < 1000 {
                    let time = self.1[split];
                    self.0.pass(split, time);
                    out.collect(split, (split as u64, time), time);
                    self.1[split] += 1;
                }
            }
        }
        Ok(if self.1 == [1000; 2] { SourcePoll::End } else { SourcePoll::More })
    }
    fn pause_splits(&mut self, paused: &[bool]) {
        self.2 = paused.to_vec();
    }
    fn snapshot(&mut self, _: millstream_core::Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_fast_split_waits_for_the_slow_one_of_its_reader() {
    let distance = Distance::default();
    let there = distance.clone();
    let count = within_a_minute(move || {
        let env = environment();
        let sink = Collect::default();
        env.from_source(TwoSpeeds(there), aligned(100), "both").sink_to(sink.clone());
        MiniCluster::new(1).execute(&env, "aligned").unwrap();
        sink.len()
    });
    assert_eq!(count, 2000);
    assert!((50..=121).contains(&distance.largest()), "{}", distance.largest());
}

#[test]
fn alignment_in_the_middle_of_a_stream_is_refused() {
    let env = StreamExecutionEnvironment::new();
    let source = Script::new(vec![times(0, 0..3)]);
    env.from_source(source, in_order(10), "events")
        .assign_timestamps_and_watermarks(aligned(10))
        .sink_to(Collect::default());
    let error = env.execute("refused").unwrap_err();
    assert!(error.to_string().contains("alignment works at sources only"), "{error}");
    assert!(error.to_string().contains("give the strategy to from_source"), "{error}");
}
