//! Jobs that are stopped at a random cut and go on at another parallelism.
//!
//! Invariant: whatever the cuts, every result is the one of an undisturbed run. Sinks
//! here are not transactional, so a result may be written again behind a cut; it must
//! then be the same result.

use crate::support::*;
use millstream_core::{ErrorKind, Result};
use millstream_datastream::*;
use millstream_runtime::OutputTag;
use millstream_runtime::checkpoint::MemoryCheckpoints;
use millstream_runtime::state::{MapState, ValueState};
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::*;
use millstream_testkit::MiniCluster;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Key, id, event time.
type Event = (u32, u64, i64);
const LATE: OutputTag<Event> = OutputTag::new("late");
const BOUND: i64 = 15;
const PER_SPLIT: usize = 600;
const SPLITS: u64 = 5;

fn events() -> Vec<Vec<(Event, i64)>> {
    let event = |split: u64, i: u64| {
        let id = split * PER_SPLIT as u64 + i;
        // Out of order by up to the bound, and the same in every attempt.
        let time = i as i64 - (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as i64 % BOUND;
        (((id % 17) as u32, id, time), time)
    };
    (0..SPLITS).map(|s| (0..PER_SPLIT as u64).map(|i| event(s, i)).collect()).collect()
}

/// One attempt: where every split stops (and the job is cut), and the layout.
#[derive(Clone, Debug)]
struct Attempt {
    stop: usize,
    workers: usize,
    processes: usize,
    /// Cuts after the stop was reached, before the job is cancelled.
    cuts: u64,
    /// Whether keyed state is in RocksDB: all attempts of a job or none.
    disk: bool,
    /// Whether its checkpoints overtake what waits.
    unaligned: bool,
}

#[cfg(not(feature = "rocksdb"))]
fn set_backend(_: &StreamExecutionEnvironment, _disk: bool) {}

#[cfg(feature = "rocksdb")]
fn set_backend(env: &StreamExecutionEnvironment, disk: bool) {
    use millstream_runtime::state::{RocksDbBackend, RocksDbOptions, StateBackendConfig};
    if disk {
        let small = RocksDbOptions { memory_bytes: 16 << 20, ..RocksDbOptions::default() };
        env.set_state_backend(StateBackendConfig::RocksDb(RocksDbBackend::new(small)));
    }
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let layout = prop::sample::select(vec![(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2)]);
    let attempt = (1..PER_SPLIT, layout, 0u64..3, any::<bool>());
    (prop::collection::vec(attempt, 1..4), any::<bool>()).prop_map(|(mut attempts, disk)| {
        attempts.sort_by_key(|a| a.0);
        let last = attempts.len();
        let attempt = |(i, (stop, (workers, processes), cuts, unaligned))| {
            let stop = if i == last { usize::MAX } else { stop };
            Attempt { stop, workers, processes, cuts, disk, unaligned }
        };
        attempts.push((0, (2, 1), 0, true));
        attempts.into_iter().enumerate().map(attempt).collect()
    })
}

/// Runs `build` through all attempts; the last one runs to its end. No attempt is cut
/// before `ready`.
fn through(
    attempts: &[Attempt],
    ready: impl Fn() -> bool + Clone + Send + 'static,
    build: impl Fn(&StreamExecutionEnvironment, Script<Event>) + Clone + Send + 'static,
) {
    let checkpoints = MemoryCheckpoints::new();
    for attempt in attempts.iter().cloned() {
        let (checkpoints, build, ready) = (checkpoints.clone(), build.clone(), ready.clone());
        within_a_minute(move || {
            let env = environment();
            env.enable_checkpointing(Duration::from_millis(1));
            env.set_checkpoint_storage(checkpoints.storage());
            env.checkpoint_config(|c| c.unaligned = attempt.unaligned);
            set_backend(&env, attempt.disk);
            let never = Gate::default();
            let mut source = Script::new(events());
            source.rows_per_poll = 3;
            let source = source.stop_all(attempt.stop, &never);
            build(&env, source);
            let cluster = MiniCluster::new(attempt.workers).processes(attempt.processes);
            let job = cluster.start(&env, "recovery").unwrap();
            if attempt.stop == usize::MAX {
                return job.wait().unwrap();
            }
            // Cuts are taken all the time: the last one before the cancel is anywhere.
            wait_until("readiness", &ready);
            let enough = checkpoints.latest().map_or(0, |e| e.0) + attempt.cuts + 2;
            wait_until("cuts", || checkpoints.latest().is_some_and(|e| e.0 >= enough));
            job.handle().cancel();
            assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        });
    }
}

fn strategy() -> WatermarkStrategy<Event> {
    WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(BOUND as u64))
}

/// Key, start, end, ids.
type Fired = (u32, i64, i64, Vec<u64>);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tumbling,
    Sliding,
    SlidingPanes,
    Session,
}

#[derive(Clone)]
struct Ids;
impl AggregateFunction for Ids {
    type In = Event;
    type Acc = BTreeSet<u64>;
    type Out = BTreeSet<u64>;
    fn create_accumulator(&self) -> BTreeSet<u64> {
        BTreeSet::new()
    }
    fn add(&self, acc: &mut BTreeSet<u64>, value: Event) {
        assert!(acc.insert(value.1), "{value:?} twice");
    }
    fn merge(&self, acc: &mut BTreeSet<u64>, other: &BTreeSet<u64>) {
        other.iter().for_each(|id| assert!(acc.insert(*id), "{id} twice"));
    }
    fn get_result(&self, acc: &BTreeSet<u64>) -> BTreeSet<u64> {
        acc.clone()
    }
}

fn windows(attempts: &[Attempt], kind: Kind, mid_stream: bool) -> BTreeSet<Fired> {
    let (sink, late) = (Collect::<Fired>::default(), Collect::<Event>::default());
    let (sink_there, late_there) = (sink.clone(), late.clone());
    let ms = Duration::from_millis;
    through(
        attempts,
        || true,
        move |env, source| {
            let events = if mid_stream {
                env.from_source(source, WatermarkStrategy::no_watermarks(), "events")
                    .map(|e| e)
                    .assign_timestamps_and_watermarks(strategy())
                    .uid("watermarks")
            } else {
                env.from_source(source, strategy(), "events").shuffle().map(|e| e)
            };
            let keyed = events.key_by(|e| e.0);
            let windowed = match kind {
                Kind::Tumbling => keyed.window(TumblingEventTimeWindows::of(ms(25))),
                Kind::Sliding | Kind::SlidingPanes => {
                    keyed.window(SlidingEventTimeWindows::of(ms(30), ms(10)))
                }
                Kind::Session => keyed.window(EventTimeSessionWindows::with_gap(ms(3))),
            };
            let windowed = windowed.side_output_late_data(LATE);
            let results = if let Kind::SlidingPanes = kind {
                let f = |k: &u32, all: &[BTreeSet<u64>], ctx: &mut WindowContext<'_, Fired>| {
                    let (w, ids) = (ctx.window(), all.iter().flatten().copied().collect());
                    ctx.collect((*k, w.start, w.end, ids));
                    Ok(())
                };
                windowed.aggregate_with(Ids, f)
            } else {
                windowed.process(|k: &u32, all: &[Event], ctx: &mut WindowContext<'_, Fired>| {
                    let mut ids: Vec<u64> = all.iter().map(|e| e.1).collect();
                    ids.sort_unstable();
                    let w = ctx.window();
                    ctx.collect((*k, w.start, w.end, ids));
                    Ok(())
                })
            };
            let results = results.uid("windows");
            results.side_output(&LATE).sink_to(late_there.clone());
            let open = Gate::default();
            open.open();
            slow(&results, &open, &Count::default()).sink_to(sink_there.clone());
        },
    );
    assert_eq!(late.sorted(), [], "nothing can be late");
    sink.values().into_iter().collect()
}

/// Counts and sums by key; a timer reports them at the end of each hundred of event time,
/// and one at the end of all.
#[derive(Clone)]
struct Reports {
    count: Option<ValueState<u64>>,
    seen: Option<MapState<u64, i64>>,
}
type Report = (u32, i64, u64, Vec<u64>);
impl KeyedProcessFunction for Reports {
    type Key = u32;
    type In = Event;
    type Out = Report;
    fn open(&mut self, context: &mut RuntimeContext<'_, u32>) -> Result<()> {
        self.count = Some(context.value_state("count")?);
        self.seen = Some(context.map_state("seen")?);
        Ok(())
    }
    fn process_element(
        &mut self,
        e: Event,
        ctx: &mut ProcessContext<'_, u32, Report>,
    ) -> Result<()> {
        let (Some(count), Some(seen)) = (&mut self.count, &mut self.seen) else { unreachable!() };
        count.update(count.value()?.unwrap_or(0) + 1)?;
        seen.put(e.1, e.2)?;
        let end = e.2.div_euclid(100) * 100 + 99;
        ctx.register_event_time_timer(end);
        ctx.register_event_time_timer(end + 1_000_000);
        ctx.delete_event_time_timer(end + 1_000_000);
        Ok(())
    }
    fn on_timer(&mut self, time: i64, ctx: &mut ProcessContext<'_, u32, Report>) -> Result<()> {
        let Some(seen) = &mut self.seen else { unreachable!() };
        let entries = seen.entries()?.into_iter();
        let mut due: Vec<u64> = entries.filter(|e| e.1 <= time).map(|e| e.0).collect();
        due.sort_unstable();
        due.iter().try_for_each(|id| seen.remove(id))?;
        let key = *ctx.current_key();
        ctx.collect((key, time, due.len() as u64, due));
        Ok(())
    }
}

/// A rule for each key from a broadcast stream; records are reported with the rules that
/// hold when they come. All rules are there before the first record.
#[derive(Clone)]
struct Rules(Count);
impl BroadcastProcessFunction for Rules {
    type Key = u32;
    type In = Event;
    type Broadcast = Event;
    type State = BTreeMap<u32, u64>;
    type Out = (u64, Option<u64>);
    fn process_element(
        &mut self,
        e: Event,
        rules: &BTreeMap<u32, u64>,
        ctx: &mut ProcessContext<'_, u32, (u64, Option<u64>)>,
    ) -> Result<()> {
        ctx.collect((e.1, rules.get(&e.0).copied()));
        Ok(())
    }
    fn process_broadcast_element(
        &mut self,
        rule: Event,
        rules: &mut BTreeMap<u32, u64>,
        _: &mut Collector<'_, (u64, Option<u64>)>,
    ) -> Result<()> {
        rules.insert(rule.0, rule.1);
        self.0.add(1);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn windows_are_exact_across_cuts(
        attempts in attempts(),
        kind in prop::sample::select(vec![
            Kind::Tumbling, Kind::Sliding, Kind::SlidingPanes, Kind::Session,
        ]),
        mid_stream in any::<bool>(),
    ) {
        let undisturbed = [Attempt { stop: usize::MAX, workers: 1, processes: 1, cuts: 0, disk: false, unaligned: false }];
        let want = windows(&undisturbed, kind, false);
        prop_assert!(want.len() > 100);
        prop_assert_eq!(windows(&attempts, kind, mid_stream), want);
    }

    #[test]
    fn state_and_timers_are_exact_across_cuts(attempts in attempts()) {
        let sink = Collect::<Report>::default();
        let there = sink.clone();
        through(&attempts, || true, move |env, source| {
            env.from_source(source, strategy(), "events")
                .rebalance()
                .map(|e| e)
                .key_by(|e| e.0)
                .process(Reports { count: None, seen: None })
                .uid("reports")
                .sink_to(there.clone());
        });
        let mut want: BTreeMap<(u32, i64), Vec<u64>> = BTreeMap::new();
        for ((key, id, time), _) in events().concat() {
            want.entry((key, time.div_euclid(100) * 100 + 99)).or_default().push(id);
        }
        let want: BTreeSet<Report> = want.into_iter().map(|((key, time), mut ids)| {
            ids.sort_unstable();
            (key, time, ids.len() as u64, ids)
        }).collect();
        let got: BTreeSet<Report> = sink.values().into_iter().collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn counts_by_key_are_exact_across_cuts(attempts in attempts()) {
        let sink = Collect::<(u32, u64)>::default();
        let there = sink.clone();
        through(&attempts, || true, move |env, source| {
            let events = env.from_source(source, strategy(), "events").rescale().map(|e| e);
            events
                .key_by(|e| e.0)
                .map_with_state(|count: &mut Option<u64>, e| {
                    *count.get_or_insert_default() += 1;
                    (e.0, count.unwrap())
                })
                .uid("count")
                .sink_to(there.clone());
        });
        let mut want = BTreeMap::<u32, u64>::new();
        events().concat().iter().for_each(|(e, _)| *want.entry(e.0).or_default() += 1);
        let mut got = BTreeMap::<u32, u64>::new();
        for (key, count) in sink.values() {
            let most = got.entry(key).or_default();
            *most = count.max(*most);
        }
        prop_assert_eq!(got, want);
    }

    #[test]
    fn broadcast_state_is_there_after_every_cut(mut attempts in attempts()) {
        let sink = Collect::<(u64, Option<u64>)>::default();
        let there = sink.clone();
        // The first attempt is cut when all subtasks have all rules, before any record.
        let disk = attempts[0].disk;
        attempts.insert(0, Attempt { stop: 0, workers: 2, processes: 1, cuts: 0, disk, unaligned: true });
        let known = Count::default();
        let counted = known.clone();
        through(&attempts, move || known.get() >= 2 * 17, move |env, source| {
            let rule = |k: u32| ((k, u64::from(k) * 10, 0), 0);
            let rules = Script::new(vec![(0..17).map(rule).collect()]);
            let rules = env.from_source(rules, WatermarkStrategy::no_watermarks(), "rules");
            env.from_source(source, strategy(), "events")
                .key_by(|e| e.0)
                .connect_broadcast(&rules.uid("rules"))
                .process(Rules(counted.clone()))
                .uid("ruled")
                .sink_to(there.clone());
        });
        let want = events().concat().into_iter().map(|(e, _)| (e.1, Some(u64::from(e.0) * 10)));
        let got: BTreeSet<_> = sink.values().into_iter().collect();
        prop_assert_eq!(got, want.collect::<BTreeSet<_>>());
    }
}
