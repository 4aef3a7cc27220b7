//! Windows and watermarks on the engine against a batch model.
//!
//! Invariants: nothing is lost or doubled; late + processed = input; when nothing can be
//! late the results are the same in every layout; watermarks never go back.

use crate::support::*;
use millstream_core::{EventTime, Result};
use millstream_datastream::{DataStream, StreamExecutionEnvironment};
use millstream_runtime::OutputTag;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::*;
use millstream_testkit::MiniCluster;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Key, id, event time.
type Event = (u32, u64, EventTime);
/// Key, start and end of the window, ids in order.
type Fired = (u32, i64, i64, Vec<u64>);

const LATE: OutputTag<Event> = OutputTag::new("late");

#[derive(Clone, Copy, Debug)]
enum Windows {
    Tumbling(i64),
    Sliding(i64, i64),
    Session(i64),
}

#[derive(Clone, Copy, Debug)]
enum Path {
    Direct,
    Rebalance,
    Shuffle,
    Rescale,
    Broadcast,
    Global,
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    workers: usize,
    processes: usize,
    source_parallelism: usize,
    chaining: bool,
    path: Path,
    /// Aggregates incrementally (the operator of panes), or keeps all records.
    incremental: bool,
    rows_per_poll: usize,
    finish_splits: bool,
}

impl Layout {
    fn parallelism(&self) -> usize {
        self.workers * self.processes
    }
    /// How often each record reaches the window operator.
    fn copies(&self) -> usize {
        if matches!(self.path, Path::Broadcast) { self.parallelism() } else { 1 }
    }
}

fn ms(n: i64) -> Duration {
    Duration::from_millis(n as u64)
}

#[derive(Clone)]
struct Ids;
impl AggregateFunction for Ids {
    type In = Event;
    type Acc = Vec<u64>;
    type Out = Vec<u64>;
    fn create_accumulator(&self) -> Vec<u64> {
        vec![]
    }
    fn add(&self, acc: &mut Vec<u64>, value: Event) {
        acc.push(value.1);
    }
    fn merge(&self, acc: &mut Vec<u64>, other: &Vec<u64>) {
        acc.extend(other);
    }
    fn get_result(&self, acc: &Vec<u64>) -> Vec<u64> {
        acc.clone()
    }
}

fn fired(key: &u32, mut ids: Vec<u64>, ctx: &mut WindowContext<'_, Fired>) -> Result<()> {
    ids.sort_unstable();
    let window = ctx.window();
    ctx.collect((*key, window.start, window.end, ids));
    Ok(())
}

fn windowed(
    events: &DataStream<Event>,
    windows: Windows,
    lateness: i64,
    incremental: bool,
) -> DataStream<Fired> {
    let keyed = events.key_by(|e| e.0);
    let stream = match windows {
        Windows::Tumbling(size) => keyed.window(TumblingEventTimeWindows::of(ms(size))),
        Windows::Sliding(size, slide) => {
            keyed.window(SlidingEventTimeWindows::of(ms(size), ms(slide)))
        }
        Windows::Session(gap) => keyed.window(EventTimeSessionWindows::with_gap(ms(gap))),
    };
    let stream = stream.allowed_lateness(ms(lateness)).side_output_late_data(LATE);
    if incremental {
        let process = |key: &u32, results: &[Vec<u64>], ctx: &mut WindowContext<'_, Fired>| {
            results.iter().try_for_each(|ids| fired(key, ids.clone(), ctx))
        };
        stream.aggregate_with(Ids, process)
    } else {
        stream.process(|key: &u32, events: &[Event], ctx: &mut WindowContext<'_, Fired>| {
            fired(key, events.iter().map(|e| e.1).collect(), ctx)
        })
    }
}

/// Windows of one record when it is alone.
fn windows_of(windows: Windows, time: i64) -> Vec<(i64, i64)> {
    match windows {
        Windows::Tumbling(size) => {
            let start = time.div_euclid(size) * size;
            vec![(start, start + size)]
        }
        Windows::Sliding(size, slide) => {
            let last = time.div_euclid(slide) * slide;
            let starts = (0..).map(|i| last - i * slide).take_while(|start| start + size > time);
            starts.map(|start| (start, start + size)).collect()
        }
        Windows::Session(gap) => vec![(time, time + gap)],
    }
}

/// All windows with all records, as if none came late.
fn model(events: &[Event], windows: Windows, copies: usize) -> Vec<Fired> {
    let mut all: Vec<Fired> = vec![];
    if let Windows::Session(gap) = windows {
        let mut sorted = events.to_vec();
        sorted.sort_by_key(|e| (e.0, e.2));
        for (key, id, time) in sorted {
            match all.last_mut() {
                Some((k, _, end, ids)) if *k == key && time <= *end => {
                    *end = (*end).max(time + gap);
                    ids.extend(vec![id; copies]);
                }
                _ => all.push((key, time, time + gap, vec![id; copies])),
            }
        }
    } else {
        let mut table: BTreeMap<(u32, i64, i64), Vec<u64>> = BTreeMap::new();
        for (key, id, time) in events {
            for (start, end) in windows_of(windows, *time) {
                table.entry((*key, start, end)).or_default().extend(vec![*id; copies]);
            }
        }
        all.extend(table.into_iter().map(|((k, start, end), ids)| (k, start, end, ids)));
    }
    all.iter_mut().for_each(|w| w.3.sort_unstable());
    all.sort();
    all
}

struct Run {
    fired: Vec<Fired>,
    late: Vec<Event>,
}

/// Runs the job in a layout; checks the watermarks on the way.
fn run(splits: &[Vec<Event>], bound: i64, lateness: i64, windows: Windows, layout: Layout) -> Run {
    let (sink, late, seen) = (Collect::default(), Collect::default(), Watermarks::default());
    let timed = |split: &Vec<Event>| split.iter().map(|e| (*e, e.2)).collect();
    let mut source = Script::new(splits.iter().map(timed).collect());
    source.rows_per_poll = layout.rows_per_poll;
    source.finish_splits = layout.finish_splits;
    let (sink_there, late_there, seen_there) = (sink.clone(), late.clone(), seen.clone());
    let cluster = MiniCluster::new(layout.workers).processes(layout.processes);
    within_a_minute(move || {
        let env = environment();
        if !layout.chaining {
            env.disable_operator_chaining();
        }
        let strategy = WatermarkStrategy::for_bounded_out_of_orderness(ms(bound));
        let events = env
            .from_source(source, strategy, "events")
            .set_parallelism(layout.source_parallelism)
            .map(|e| e);
        let events = match layout.path {
            Path::Direct => events,
            Path::Rebalance => events.rebalance().map(|e| e),
            Path::Shuffle => events.shuffle().map(|e| e),
            Path::Rescale => events.rescale().map(|e| e),
            Path::Broadcast => events.broadcast().map(|e| e),
            Path::Global => events.global().map(|e| e),
        };
        let results = windowed(&events, windows, lateness, layout.incremental);
        results.side_output(&LATE).sink_to(late_there);
        probe(&results, lateness == 0, &seen_there).sink_to(sink_there);
        cluster.execute(&env, "windows").unwrap();
    });
    check_watermarks(&seen, layout.parallelism());
    Run { fired: sink.sorted(), late: late.sorted() }
}

fn layouts() -> impl Strategy<Value = Layout> {
    let path = prop::sample::select(vec![
        Path::Direct,
        Path::Rebalance,
        Path::Shuffle,
        Path::Rescale,
        Path::Broadcast,
        Path::Global,
    ]);
    let workers = prop::sample::select(vec![(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2)]);
    (workers, 1usize..5, any::<bool>(), path, any::<bool>(), 1usize..40, any::<bool>()).prop_map(
        |((workers, processes), sources, chaining, path, incremental, rows_per_poll, finish)| {
            Layout {
                workers,
                processes,
                source_parallelism: sources.min(workers * processes),
                chaining,
                path,
                incremental,
                rows_per_poll,
                finish_splits: finish,
            }
        },
    )
}

fn window_kinds() -> impl Strategy<Value = Windows> {
    prop_oneof![
        (1i64..60).prop_map(Windows::Tumbling),
        (1i64..15, 1i64..6, 0i64..8)
            .prop_map(|(slide, times, extra)| Windows::Sliding(slide * times + extra, slide)),
        (1i64..30).prop_map(Windows::Session),
    ]
}

/// Splits whose records are at most `disorder` behind the latest before them; some splits
/// are empty, and times begin before 1970.
fn splits(disorder: i64) -> impl Strategy<Value = Vec<Vec<Event>>> {
    let record = (0u32..6, 0i64..9, 0..=disorder);
    let split = (-200i64..50, prop::collection::vec(record, 0..60));
    prop::collection::vec(split, 1..6).prop_map(|splits| {
        let mut id = 0;
        let mut events = |(start, records): (i64, Vec<(u32, i64, i64)>)| {
            let mut latest = start;
            let mut event = |(key, step, back): (u32, i64, i64)| {
                latest += step;
                id += 1;
                (key, id, latest - back)
            };
            records.into_iter().map(&mut event).collect::<Vec<_>>()
        };
        splits.into_iter().map(&mut events).collect()
    })
}

fn cases(n: u32) -> ProptestConfig {
    ProptestConfig { cases: n, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn when_nothing_can_be_late_every_layout_gives_the_model_s_windows(
        (disorder, splits) in (0i64..25).prop_flat_map(|d| (Just(d), splits(d))),
        slack in 0i64..10, lateness in prop::sample::select(vec![0i64, 0, 7]),
        windows in window_kinds(), layout in layouts(),
    ) {
        let events: Vec<Event> = splits.concat();
        // Copies of a record reach one subtask by several ways, in any order between them.
        let got = run(&splits, disorder + slack, lateness, windows, layout);
        prop_assert_eq!(got.late, vec![], "nothing can be late");
        prop_assert_eq!(got.fired, model(&events, windows, layout.copies()));
    }

    #[test]
    fn late_and_processed_make_up_the_input(
        splits in splits(40), bound in 0i64..12,
        lateness in prop::sample::select(vec![0i64, 0, 5, 20, 100]),
        windows in window_kinds(), layout in layouts(),
    ) {
        let events: Vec<Event> = splits.concat();
        let got = run(&splits, bound, lateness, windows, layout);
        // A late record is late once for each copy of it.
        let mut copies: BTreeMap<u64, usize> = BTreeMap::new();
        got.late.iter().for_each(|e| *copies.entry(e.1).or_default() += 1);
        // A window may fire again with more: the last result has everything.
        let mut windows_of_id: BTreeMap<u64, BTreeSet<(i64, i64)>> = BTreeMap::new();
        let mut most: BTreeMap<(u32, i64, i64, u64), usize> = BTreeMap::new();
        for (key, start, end, ids) in &got.fired {
            for id in ids {
                windows_of_id.entry(*id).or_default().insert((*start, *end));
                let times = ids.iter().filter(|i| *i == id).count();
                let most = most.entry((*key, *start, *end, *id)).or_default();
                *most = times.max(*most);
            }
        }
        let sliding = matches!(windows, Windows::Sliding(..));
        let session = matches!(windows, Windows::Session(_));
        for (key, id, time) in &events {
            let processed = windows_of_id.get(id).into_iter().flatten();
            for (start, end) in processed.clone() {
                prop_assert!(start <= time && time < end, "{id} at {time} in {start}..{end}");
            }
            let late = copies.get(id).copied().unwrap_or(0);
            let times = processed.clone().map(|(s, e)| most[&(*key, *s, *e, *id)]).max();
            let times = times.unwrap_or(0);
            if sliding || session {
                // Copies may differ in the windows (or stages of a session) that they reach.
                prop_assert!(times + late >= layout.copies().min(1), "{id} is lost");
                if layout.copies() == 1 {
                    prop_assert_eq!(times.min(1) + late, 1, "{} is lost or doubled", id);
                }
            } else {
                prop_assert_eq!(times + late, layout.copies(), "{} is lost or doubled", id);
            }
        }
        prop_assert_eq!(
            got.late.iter().map(|e| e.1).chain(windows_of_id.keys().copied())
                .collect::<BTreeSet<_>>(),
            events.iter().map(|e| e.1).collect::<BTreeSet<_>>()
        );
        // On time whatever the interleaving: not behind the watermark of its own split.
        for split in &splits {
            let mut latest = i64::MIN;
            for (_, id, time) in split {
                latest = latest.max(*time);
                if *time >= latest - bound {
                    prop_assert!(!copies.contains_key(id), "{id} at {time} is not late");
                    if !session {
                        let want = windows_of(windows, *time).into_iter().collect();
                        let got = windows_of_id.get(id).cloned().unwrap_or_default();
                        prop_assert_eq!(got, want, "windows of {} at {}", id, time);
                    }
                }
            }
        }
    }

    #[test]
    fn in_order_of_arrival_lateness_is_exactly_the_model_s(
        events in splits(40).prop_map(|splits| splits.concat()), bound in 0i64..12,
        lateness in prop::sample::select(vec![0i64, 3, 20]),
        size in 1i64..40, incremental in any::<bool>(), chaining in any::<bool>(),
    ) {
        // One split and one subtask each: the interleaving is known.
        let layout = Layout {
            workers: 1, processes: 1, source_parallelism: 1, chaining, path: Path::Rebalance,
            incremental, rows_per_poll: 5, finish_splits: false,
        };
        let windows = Windows::Tumbling(size);
        let got = run(std::slice::from_ref(&events), bound, lateness, windows, layout);
        let (mut late, mut contents) = (vec![], BTreeMap::<(u32, i64, i64), Vec<u64>>::new());
        let (mut firings, mut watermark) = (vec![], i64::MIN);
        for event @ (key, id, time) in &events {
            let (start, end) = windows_of(windows, *time)[0];
            if end - 1 + lateness <= watermark {
                late.push(*event);
                continue;
            }
            let ids = contents.entry((*key, start, end)).or_default();
            ids.push(*id);
            ids.sort_unstable();
            if end - 1 <= watermark {
                firings.push((*key, start, end, ids.clone()));
            }
            let next = watermark.max(time - bound - 1);
            for ((key, start, end), ids) in &contents {
                if *end > watermark.saturating_add(1) && *end - 1 <= next {
                    firings.push((*key, *start, *end, ids.clone()));
                }
            }
            watermark = next;
        }
        for ((key, start, end), ids) in contents {
            if end > watermark.saturating_add(1) {
                firings.push((key, start, end, ids));
            }
        }
        firings.sort();
        late.sort();
        prop_assert_eq!(got.late, late);
        prop_assert_eq!(got.fired, firings);
    }
}

#[test]
fn a_negative_lateness_is_refused_with_the_operator_s_name() {
    let env = StreamExecutionEnvironment::new();
    let source = Script::new(vec![vec![((1, 1, 1), 1)]]);
    env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "events")
        .key_by(|e: &Event| e.0)
        .window(TumblingEventTimeWindows::of(ms(10)))
        .allowed_lateness_ms(-1)
        .reduce(|a, _| a)
        .name("ten")
        .sink_to(Collect::default());
    let error = env.execute("refused").unwrap_err();
    assert_eq!(error.kind(), millstream_core::ErrorKind::Config);
    assert!(error.to_string().contains("operator 'ten'"), "{error}");
    assert!(error.to_string().contains("-1 ms; use a duration of 0 or more"), "{error}");
}
