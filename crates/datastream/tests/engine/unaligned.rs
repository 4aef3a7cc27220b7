//! Checkpoints that overtake what waits in front of slow operators, and jobs that go on from
//! them at another parallelism. Random cuts of such jobs are in `recovery`.
//!
//! Invariant: such a checkpoint is complete although nothing of the backlog is processed, and
//! whatever goes on from it has the results of an undisturbed run.

use crate::support::*;
use millstream_core::{Clock, ErrorKind, ManualClock};
use millstream_datastream::*;
use millstream_runtime::OutputTag;
use millstream_runtime::checkpoint::*;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::*;
use millstream_state::SnapshotKind;
use millstream_testkit::MiniCluster;
use std::collections::BTreeSet;
use std::time::Duration;

/// Key, id, event time.
type Event = (u32, u64, i64);
/// Key, start of the window, ids in it; or the pair of an id.
type Line = (u32, i64, Vec<u64>);

const LATE: OutputTag<Event> = OutputTag::new("late");
const PER_SPLIT: u64 = 400;

/// With one split every tenth record is late beyond doubt: there is one sender, and its
/// watermark goes before. With several it would depend on their order.
fn events(splits: u64) -> Vec<Vec<(Event, i64)>> {
    let event = |split: u64, i: u64| {
        let (id, late) = (split * PER_SPLIT + i, splits == 1 && i > 100 && i.is_multiple_of(10));
        let time = if late { i as i64 - 100 } else { i as i64 };
        (((id % 7) as u32, id, time), time)
    };
    (0..splits).map(|split| (0..PER_SPLIT).map(|i| event(split, i)).collect()).collect()
}

#[derive(Clone, Default)]
struct Results {
    lines: Collect<Line>,
    late: Collect<Event>,
    gate: Gate,
    passed: Count,
}

/// Windows by key with late records aside, and the windows of ids joined with themselves:
/// two inputs. In front of both is a keyed edge.
fn build(env: &StreamExecutionEnvironment, source: Script<Event>, to: &Results) {
    let strategy = WatermarkStrategy::for_monotonous_timestamps();
    let events = env.from_source(source, strategy, "events");
    let ms = Duration::from_millis;
    let windows = events
        .key_by(|e| e.0)
        .window(TumblingEventTimeWindows::of(ms(20)))
        .side_output_late_data(LATE)
        .process(|k: &u32, all: &[Event], ctx: &mut WindowContext<'_, Line>| {
            let mut ids: Vec<u64> = all.iter().map(|e| e.1).collect();
            ids.sort_unstable();
            let start = ctx.window().start;
            ctx.collect((*k, start, ids));
            Ok(())
        })
        .uid("windows");
    windows.side_output(&LATE).sink_to(to.late.clone());
    slow(&windows, &to.gate, &to.passed).sink_to(to.lines.clone());
    let (left, right) = (events.key_by(|e| e.1), events.key_by(|e| e.1));
    let pairs = left
        .interval_join(&right, 0, 0)
        .process(|a: &Event, b: &Event, ctx| {
            ctx.collect((a.0, -1, vec![a.1, b.1]));
            Ok(())
        })
        .uid("pairs");
    slow(&pairs, &to.gate, &to.passed).sink_to(to.lines.clone());
}

fn undisturbed(splits: u64) -> (BTreeSet<Line>, BTreeSet<Event>) {
    let results = Results::default();
    results.gate.open();
    let there = results.clone();
    within_a_minute(move || {
        let env = environment();
        build(&env, Script::new(events(splits)), &there);
        MiniCluster::new(1).execute(&env, "undisturbed").unwrap();
    });
    (results.lines.values().into_iter().collect(), results.late.values().into_iter().collect())
}

fn checkpointed(checkpoints: &MemoryCheckpoints) -> StreamExecutionEnvironment {
    let env = environment();
    env.set_checkpoint_storage(checkpoints.storage());
    env.checkpoint_config(|c| c.unaligned = true);
    env
}

fn latest(checkpoints: &MemoryCheckpoints) -> u64 {
    checkpoints.latest().map_or(0, |epoch| epoch.0)
}

fn cancel(job: millstream_testkit::MiniClusterJob) {
    job.handle().cancel();
    assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Cancelled);
}

/// One, two, then three workers (and processes): first nothing is processed at all.
#[test]
fn a_checkpoint_overtakes_the_backlog_and_is_exact_at_any_parallelism() {
    let layouts = [(3, 1), (1, 2), (1, 1)];
    for (splits, (workers, processes)) in [1, 3].into_iter().flat_map(|s| layouts.map(|l| (s, l))) {
        let want = undisturbed(splits);
        assert!(want.0.len() > 100 && want.1.is_empty() == (splits > 1));
        let (results, checkpoints) = (Results::default(), MemoryCheckpoints::new());
        let (there, stored) = (results.clone(), checkpoints.clone());
        within_a_minute(move || {
            let env = checkpointed(&stored);
            let source = Script::new(events(splits));
            let emitted = source.emitted.clone();
            build(&env, source.stop_all(300, &Gate::default()), &there);
            let job = MiniCluster::new(1).start(&env, "first").unwrap();
            wait_until("a backlog", || emitted.get() == splits * 300);
            job.handle().trigger_checkpoint();
            wait_until("a checkpoint", || stored.latest().is_some());
            assert_eq!(there.passed.get(), 0, "it waited for the backlog");
            cancel(job);

            // Half way, with rests that are longer on some subtasks.
            there.gate.open();
            let env = checkpointed(&stored);
            env.enable_checkpointing(Duration::from_millis(1));
            build(&env, Script::new(events(splits)).stop_all(350, &Gate::default()), &there);
            let job = MiniCluster::new(2).start(&env, "second").unwrap();
            wait_until("some results", || there.lines.len() > 20);
            let enough = latest(&stored) + 2;
            wait_until("a checkpoint", || latest(&stored) >= enough);
            cancel(job);

            let env = checkpointed(&stored);
            env.enable_checkpointing(Duration::from_millis(1));
            build(&env, Script::new(events(splits)), &there);
            MiniCluster::new(workers).processes(processes).execute(&env, "third").unwrap();
        });
        let lines: BTreeSet<Line> = results.lines.values().into_iter().collect();
        let late: BTreeSet<Event> = results.late.values().into_iter().collect();
        assert_eq!((lines, late), want, "{splits} splits, {workers} x {processes}");
    }
}

/// Only what overtakes completes while nothing is processed: savepoints do not, and
/// checkpoints do not before their time.
#[test]
fn checkpoints_begin_aligned_and_overtake_when_their_time_is_up() {
    within_a_minute(|| {
        let (results, checkpoints) = (Results::default(), MemoryCheckpoints::new());
        let (env, clock) = (checkpointed(&checkpoints), ManualClock::new(1_000));
        env.checkpoint_config(|c| c.aligned_timeout_ms = 5_000);
        let source = Script::new(events(1));
        let emitted = source.emitted.clone();
        build(&env, source, &results);
        let job = MiniCluster::new(1).clock(&clock).start(&env, "late").unwrap();
        wait_until("all is on its way", || emitted.get() == PER_SPLIT);
        job.handle().trigger_checkpoint();
        // Time passes again and again, since the order may come later than the first time.
        wait_until("a checkpoint", || {
            clock.set_ms(clock.now_ms() + 1_000);
            std::thread::sleep(Duration::from_millis(1));
            checkpoints.latest().is_some()
        });
        assert_eq!(results.passed.get(), 0);
        assert!(clock.now_ms() >= 6_000, "it did not wait for its time");
        let kind = SnapshotKind::CanonicalSavepoint;
        let request = Request::Savepoint { kind, directory: None, stop: None };
        let answer = job.handle().request(request);
        results.gate.open();
        answer.recv().unwrap().unwrap();
        assert!(results.passed.get() > 0, "a savepoint overtook");
        job.wait().unwrap();
    });
}

/// What waits in front of an operator has no place when that has been fused.
#[test]
fn a_checkpoint_of_another_plan_is_refused() {
    within_a_minute(|| {
        let checkpoints = MemoryCheckpoints::new();
        let job = |rebalanced: bool| {
            let env = checkpointed(&checkpoints);
            let (gate, count) = (Gate::default(), Count::default());
            let source = Script::new(vec![(0..50u64).map(|i| (i, i as i64)).collect()]);
            let emitted = source.emitted.clone();
            let strategy = WatermarkStrategy::for_monotonous_timestamps();
            let stream = env.from_source(source, strategy, "numbers").uid("numbers");
            let stream = if rebalanced { stream.rebalance() } else { stream };
            slow(&stream, &gate, &count).uid("slow").sink_to(Collect::default());
            (env, emitted)
        };
        let (env, emitted) = job(true);
        let running = MiniCluster::new(1).start(&env, "before").unwrap();
        wait_until("a backlog", || emitted.get() == 50);
        running.handle().trigger_checkpoint();
        wait_until("a checkpoint", || checkpoints.latest().is_some());
        cancel(running);
        let error = MiniCluster::new(1).execute(&job(false).0, "after").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("take a savepoint"), "{error}");
    });
}
