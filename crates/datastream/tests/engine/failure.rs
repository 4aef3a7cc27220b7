//! User code that panics or refuses: the job ends, and the error says where.
//!
//! Invariants: a job never hangs on a failure, in whatever process it was; the error
//! names operator and subtask, and the record where there is one; an epoch that the
//! failure cut short is never declared complete.

use crate::support::*;
use millstream_core::{Batch, Epoch, Error, ErrorKind, Result};
use millstream_datastream::*;
use millstream_runtime::checkpoint::MemoryCheckpoints;
use millstream_runtime::watermark::{InvalidTimestamp, WatermarkStrategy};
use millstream_runtime::window::*;
use millstream_runtime::*;
use millstream_testkit::MiniCluster;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where user code fails, on the record 700.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Map,
    Filter,
    FlatMap,
    KeySelector,
    KeyOfWindow,
    Reduce,
    Process,
    Timer,
    AggregateAdd,
    AggregateResult,
    WindowFunction,
    Partitioner,
    Assigner,
    Reader,
    Open,
    Sink,
    Flush,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Panics,
    Refuses,
}

const BAD: u64 = 700;

/// Fails at the bad record, by panic or by error.
fn check(n: u64, how: How) -> Result<()> {
    match how {
        How::Panics => assert!(n != BAD, "no luck with {n}"),
        How::Refuses if n == BAD => return Err(Error::user(format!("no luck with {n}"))),
        How::Refuses => {}
    }
    Ok(())
}
fn panics_if(n: u64, bad: bool) {
    assert!(!bad || n != BAD, "no luck with {n}");
}

#[derive(Clone)]
struct Sum(bool, bool);
impl AggregateFunction for Sum {
    type In = u64;
    type Acc = (u64, bool);
    type Out = u64;
    fn create_accumulator(&self) -> (u64, bool) {
        (0, false)
    }
    fn add(&self, acc: &mut (u64, bool), n: u64) {
        panics_if(n, self.0);
        *acc = (acc.0 + n, acc.1 || n == BAD);
    }
    fn merge(&self, acc: &mut (u64, bool), other: &(u64, bool)) {
        *acc = (acc.0 + other.0, acc.1 || other.1);
    }
    fn get_result(&self, acc: &(u64, bool)) -> u64 {
        panics_if(if acc.1 { BAD } else { 0 }, self.1);
        acc.0
    }
}

#[derive(Clone)]
struct Picky(At, How);
impl KeyedProcessFunction for Picky {
    type Key = u64;
    type In = u64;
    type Out = u64;
    fn open(&mut self, _: &mut RuntimeContext<'_, u64>) -> Result<()> {
        if self.0 == At::Open { check(BAD, self.1) } else { Ok(()) }
    }
    fn process_element(&mut self, n: u64, ctx: &mut ProcessContext<'_, u64, u64>) -> Result<()> {
        if self.0 == At::Process {
            check(n, self.1)?;
        }
        ctx.register_event_time_timer(n as i64);
        ctx.collect(n);
        Ok(())
    }
    fn on_timer(&mut self, time: i64, _: &mut ProcessContext<'_, u64, u64>) -> Result<()> {
        if self.0 == At::Timer { check(time as u64, self.1) } else { Ok(()) }
    }
}

#[derive(Clone)]
struct PickySink(At, How);
impl Sink<u64> for PickySink {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<u64>>> {
        Ok(Box::new(self.clone()))
    }
}
impl SinkWriter<u64> for PickySink {
    fn write(&mut self, batch: Batch<u64>) -> Result<()> {
        if self.0 == At::Sink {
            batch.values().iter().try_for_each(|n| check(*n, self.1))?;
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        if self.0 == At::Flush { check(BAD, self.1) } else { Ok(()) }
    }
}

#[derive(Clone)]
struct PickySource(At, How);
struct PickyReader(PickySource, usize, u64);
impl Source for PickySource {
    type Out = u64;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<u64>>> {
        Ok(Box::new(PickyReader(self.clone(), context.subtask.index, 0)))
    }
}
impl SourceReader<u64> for PickyReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, u64>) -> Result<SourcePoll> {
        if self.2 == 0 {
            out.add_split();
        }
        for _ in 0..100 {
            // The second subtask has the bad record, and the job has no end of its own.
            let n = self.2 * 2 + if self.1 == 1 { 0 } else { 1 };
            if self.0.0 == At::Reader {
                check(n, self.0.1)?;
            }
            out.collect(0, n, n as i64);
            self.2 += 1;
        }
        Ok(if self.2 < 2000 { SourcePoll::More } else { SourcePoll::Wait(Some(out.now_ms() + 5)) })
    }
    fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

/// A job with every piece, one of which fails; gives its operator and what the error says.
fn job(env: &StreamExecutionEnvironment, at: At, how: How) -> (&'static str, &'static str) {
    let strategy = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(
        move |n: &u64, _| {
            panics_if(*n, at == At::Assigner);
            *n as i64
        },
    );
    let numbers = env.from_source(PickySource(at, how), strategy, "numbers");
    let mapped = numbers
        .map(move |n| {
            panics_if(n, at == At::Map);
            n
        })
        .name("mapper")
        .filter(move |n| {
            panics_if(*n, at == At::Filter);
            true
        })
        .name("filterer")
        .flat_map(move |n, out| {
            if at == At::FlatMap {
                check(n, how)?;
            }
            out.collect(n);
            Ok(())
        })
        .name("flattener");
    let dealt = match (at, how) {
        (At::Partitioner, How::Refuses) => {
            mapped.partition_custom(|n, targets| if *n == BAD { targets + 3 } else { 0 })
        }
        (At::Partitioner, How::Panics) => mapped.partition_custom(|n, _| {
            panics_if(*n, true);
            0
        }),
        _ => mapped,
    };
    let key = move |n: &u64| {
        panics_if(*n, at == At::KeySelector);
        *n
    };
    let processed = dealt.map(|n| n).key_by(key).process(Picky(at, how)).name("picky");
    let reduced = processed
        .key_by(|_| 0u8)
        .reduce(move |_, n| {
            panics_if(n, at == At::Reduce);
            n
        })
        .name("reducer");
    // The partitioner asks first, upstream; this one fails only when the window asks.
    let asked = Count::default();
    let window_key = move |n: &u64| {
        if at == At::KeyOfWindow && *n == BAD && asked.add(1) > 1 {
            panic!("no luck with {n}");
        }
        0u8
    };
    let windows =
        reduced.key_by(window_key).window(TumblingEventTimeWindows::of(Duration::from_millis(10)));
    let results = if at == At::WindowFunction {
        windows.process(move |_: &u8, ns: &[u64], ctx: &mut WindowContext<'_, u64>| {
            ns.iter().try_for_each(|n| check(*n, how))?;
            ctx.collect(0);
            Ok(())
        })
    } else {
        windows.aggregate(Sum(at == At::AggregateAdd, at == At::AggregateResult))
    };
    let results = results.name("windows");
    results.sink_to(PickySink(At::Map, how)).name("results");
    reduced.sink_to(PickySink(at, how)).name("sinker");
    match at {
        At::Map => ("mapper", "event time 700"),
        At::Filter => ("filterer", "record 700"),
        At::FlatMap => ("flattener", "event time 700"),
        At::KeySelector => ("map", "key of record 700"),
        At::Partitioner => ("flattener", "record 700"),
        At::Reduce => ("reducer", "record "),
        At::Open => ("picky", ""),
        At::Process | At::Timer => ("picky", "key 700 at event time 700"),
        At::KeyOfWindow | At::AggregateAdd => ("windows", "event time 700"),
        At::AggregateResult | At::WindowFunction => ("windows", "key 0, window [700, 710)"),
        At::Reader | At::Assigner => ("numbers", ""),
        At::Sink | At::Flush => ("sinker", ""),
    }
}

fn fails(at: At, how: How, workers: usize, processes: usize) {
    let (error, operator, record) = within_a_minute(move || {
        let env = environment();
        env.enable_checkpointing(Duration::from_millis(10));
        let (operator, record) = job(&env, at, how);
        let cluster = MiniCluster::new(workers).processes(processes);
        (cluster.execute(&env, "fails").unwrap_err(), operator, record)
    });
    let text = error.to_string();
    let what = format!("{at:?} {how:?} on {workers}x{processes}: {text}");
    assert_eq!(error.kind(), ErrorKind::UserCode, "{what}");
    let place = format!("operator '{operator}' (");
    assert!(text.contains(&place) && text.contains("/2)"), "{what}");
    assert!(text.contains(record), "{what}");
    let words = if (at, how) == (At::Partitioner, How::Refuses) {
        "chose target 5 of 2"
    } else {
        "no luck with 700"
    };
    assert!(text.contains(words), "{what}");
}

const PANICKING: [At; 17] = [
    At::Map,
    At::Filter,
    At::FlatMap,
    At::KeySelector,
    At::KeyOfWindow,
    At::Reduce,
    At::Process,
    At::Timer,
    At::AggregateAdd,
    At::AggregateResult,
    At::WindowFunction,
    At::Partitioner,
    At::Assigner,
    At::Reader,
    At::Open,
    At::Sink,
    At::Flush,
];
const REFUSING: [At; 9] = [
    At::FlatMap,
    At::Process,
    At::Timer,
    At::WindowFunction,
    At::Partitioner,
    At::Reader,
    At::Open,
    At::Sink,
    At::Flush,
];

#[test]
fn a_panic_anywhere_ends_the_job_with_operator_subtask_and_record() {
    for at in PANICKING {
        fails(at, How::Panics, 2, 1);
    }
}

#[test]
fn a_panic_anywhere_ends_two_processes() {
    for at in PANICKING {
        fails(at, How::Panics, 1, 2);
    }
}

#[test]
fn an_error_anywhere_ends_the_job_with_operator_subtask_and_record() {
    for at in REFUSING {
        fails(at, How::Refuses, 2, 1);
        fails(at, How::Refuses, 1, 2);
    }
}

/// Which epochs subtasks have handed their snapshots over for.
#[derive(Clone, Default)]
struct Snapshots(Arc<Mutex<Vec<Epoch>>>);
impl Snapshots {
    fn add(&self, epoch: Epoch) {
        self.0.lock().unwrap().push(epoch);
    }
    fn of(&self, epoch: Epoch) -> usize {
        self.0.lock().unwrap().iter().filter(|e| **e == epoch).count()
    }
}

/// The newest checkpoint has the state of every subtask.
fn assert_whole(checkpoints: &MemoryCheckpoints, subtasks: usize) {
    let manifest = checkpoints.manifest().unwrap().expect("a checkpoint").manifest;
    assert_eq!(manifest.subtasks.len(), subtasks, "epoch {} lacks states", manifest.epoch);
}

/// One subtask fails in an epoch that all others have behind them: the epoch must not
/// count as complete, or a restart would miss the failed subtask's state.
fn fails_behind_the_others(workers: usize, processes: usize) {
    let (checkpoints, snapshots) = (MemoryCheckpoints::new(), Snapshots::default());
    let (there, storage) = (snapshots.clone(), checkpoints.storage());
    let all = workers * processes;
    within_a_minute(move || {
        let env = environment();
        env.enable_checkpointing(Duration::from_millis(1));
        env.set_checkpoint_storage(storage);
        let never = Gate::default();
        let failed = Gate::default();
        let strategy = WatermarkStrategy::no_watermarks;
        env.from_source(Sleepy(failed.clone(), there.clone()), strategy(), "sleepy");
        let splits = (0..all as u64).map(|s| (0..50).map(|i| (s, i)).collect()).collect();
        let source = Script::new(splits).stop_all(20, &never);
        env.from_source(source, strategy(), "numbers").transform("last", move |context| {
            let last = context.subtask.index + 1 == context.subtask.parallelism;
            Ok(Straggler {
                last,
                snapshots: there.clone(),
                others: 2 * all - 1,
                failed: failed.clone(),
                epoch: Epoch::FIRST,
                looks: 0,
            })
        });
        let cluster = MiniCluster::new(workers).processes(processes);
        let error = cluster.execute(&env, "fails").unwrap_err();
        assert!(error.to_string().contains("no luck at all"), "{error}");
    });
    let complete = checkpoints.latest().expect("the first epochs");
    assert_eq!(snapshots.of(complete), 2 * all, "epoch {complete} lacks states");
    assert_whole(&checkpoints, 2 * all);
}

/// Keeps the last worker busy for a while after the failure, so that the progress of the
/// failed subtask gets around before the news of the failure.
#[derive(Clone)]
struct Sleepy(Gate, Snapshots);
impl Source for Sleepy {
    type Out = u64;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<u64>>> {
        let last = context.subtask.index + 1 == context.subtask.parallelism;
        Ok(Box::new(if last { self.clone() } else { Sleepy(Gate::default(), self.1.clone()) }))
    }
}
impl SourceReader<u64> for Sleepy {
    fn poll(&mut self, _: &mut SourceOutput<'_, u64>) -> Result<SourcePoll> {
        if self.0.is_open() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, epoch: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        self.1.add(epoch);
        Ok(())
    }
}

/// Holds its last subtask in an epoch until all others have stored it; then fails.
struct Straggler {
    last: bool,
    snapshots: Snapshots,
    others: usize,
    failed: Gate,
    epoch: Epoch,
    looks: u32,
}
impl Straggler {
    fn holds(&self) -> bool {
        self.last && self.epoch >= Epoch(4)
    }
}
impl Operator for Straggler {
    type In = Batch<u64>;
    type Out = Batch<u64>;
    fn on_batch(&mut self, batch: Batch<u64>, out: &mut Output<Batch<u64>>) -> Result<()> {
        out.emit(batch);
        Ok(())
    }
    fn snapshot(&mut self, epoch: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        self.epoch = epoch.next();
        self.snapshots.add(epoch);
        Ok(())
    }
    fn is_ready(&self) -> bool {
        !self.holds()
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.holds().then_some(0)
    }
    fn on_processing_time(&mut self, _: i64, _: &mut Output<Batch<u64>>) -> Result<()> {
        if self.holds() && self.snapshots.of(self.epoch) == self.others {
            self.looks += 1;
            if self.looks > 20 {
                self.failed.open();
                return Err(Error::user("no luck at all"));
            }
        }
        Ok(())
    }
}

#[test]
fn an_epoch_that_a_failure_cut_short_is_not_complete() {
    for _ in 0..3 {
        fails_behind_the_others(2, 1);
        fails_behind_the_others(1, 2);
    }
}

#[test]
fn an_epoch_that_a_cancel_cut_short_is_not_complete() {
    for (workers, processes) in [(3, 1), (2, 2)].repeat(15) {
        let checkpoints = MemoryCheckpoints::new();
        let there = checkpoints.clone();
        let tasks = 2 * workers * processes;
        within_a_minute(move || {
            let env = environment();
            env.enable_checkpointing(Duration::from_millis(1));
            env.set_checkpoint_storage(there.storage());
            let splits = (0..8u64).map(|s| (0..50).map(|i| (s, i)).collect()).collect();
            let source = Script::new(splits).stop_all(20, &Gate::default());
            env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "numbers")
                .key_by(|n| *n)
                .reduce(|a, b| a + b)
                .sink_to(Collect::default());
            let cluster = MiniCluster::new(workers).processes(processes);
            let job = cluster.start(&env, "cancelled").unwrap();
            wait_until("three epochs", || there.latest() >= Some(Epoch(3)));
            job.handle().cancel();
            assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        });
        assert_whole(&checkpoints, tasks);
    }
}

#[test]
fn the_ends_of_time_are_refused_or_skipped() {
    for (policy, processes) in
        [(InvalidTimestamp::Fail, 1), (InvalidTimestamp::Skip, 1), (InvalidTimestamp::Skip, 2)]
    {
        for bad in [i64::MIN, i64::MAX] {
            let sink = Collect::default();
            let there = sink.clone();
            let (result, skipped) = within_a_minute(move || {
                let env = environment();
                let times = [1, i64::MIN + 1, bad, 2, i64::MAX - 1, 3];
                let source = Script::new(vec![times.iter().map(|t| (*t, 0)).collect()]);
                let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::MAX)
                    .with_timestamp_assigner(|t: &i64, _| *t)
                    .on_invalid_timestamp(policy);
                env.from_source(source, strategy, "times").sink_to(there);
                let cluster = MiniCluster::new(1).processes(processes);
                let result = cluster.execute(&env, "times");
                let skipped: u64 = (env.metrics().read().iter())
                    .filter(|r| r.name == "numInvalidTimestampsSkipped")
                    .map(|r| match &r.metric {
                        millstream_runtime::metrics::Metric::Counter(c) => c.get(),
                        _ => 0,
                    })
                    .sum();
                (result, skipped)
            });
            if policy == InvalidTimestamp::Fail {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Data);
                let text = error.to_string();
                assert!(text.contains(&format!("event time {bad} of record {bad}")), "{text}");
                assert!(text.contains("operator 'times' (1/1)"), "{text}");
                assert!(text.contains("InvalidTimestamp::Skip"), "{text}");
            } else {
                result.unwrap();
                assert_eq!(skipped, 1);
                assert_eq!(sink.values(), [1, i64::MIN + 1, 2, i64::MAX - 1, 3]);
            }
        }
    }
}

#[test]
fn a_window_at_the_end_of_time_is_an_error_not_another_window() {
    let error = within_a_minute(|| {
        let env = environment();
        let source = Script::new(vec![vec![(1u64, i64::MAX - 3)]]);
        env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "late in time")
            .key_by(|n| *n)
            .window(TumblingEventTimeWindows::of(Duration::from_secs(3600)))
            .reduce(|a, _| a)
            .name("hours")
            .sink_to(Collect::default());
        MiniCluster::new(1).execute(&env, "times").unwrap_err()
    });
    assert!(error.to_string().contains("operator 'hours' (1/1)"), "{error}");
}
