//! Every piece of the API with one input once, with a checked result.

use crate::support::*;
use millstream_core::{ErrorKind, Result};
use millstream_datastream::*;
use millstream_runtime::OutputTag;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::*;
use millstream_testkit::MiniCluster;
use std::time::Duration;

const LAYOUTS: [(usize, usize); 4] = [(1, 1), (3, 1), (1, 2), (2, 2)];

fn ascending() -> WatermarkStrategy<u64> {
    WatermarkStrategy::for_monotonous_timestamps()
}
/// `0..n` with itself as time, in three splits.
pub(crate) fn numbers(env: &StreamExecutionEnvironment, n: u64) -> DataStream<u64> {
    let split = |s: u64| (0..n).filter(|i| i % 3 == s).map(|i| (i, i as i64)).collect();
    env.from_source(Script::new((0..3).map(split).collect()), ascending(), "numbers")
}

/// Runs what `build` draws, in every layout, and gives what came out, sorted.
pub(crate) fn everywhere<T: millstream_core::Data + Ord>(
    build: impl Fn(&StreamExecutionEnvironment) -> DataStream<T> + Clone + Send + 'static,
    check: impl Fn(Vec<T>),
) {
    for (workers, processes) in LAYOUTS {
        let build = build.clone();
        check(within_a_minute(move || {
            let (env, sink) = (environment(), Collect::default());
            build(&env).sink_to(sink.clone());
            MiniCluster::new(workers).processes(processes).execute(&env, "piece").unwrap();
            sink.sorted()
        }));
    }
}

#[test]
fn map_filter_flat_map() {
    let build = |env: &StreamExecutionEnvironment| {
        numbers(env, 100).map(|n| n * 2).filter(|n| n % 3 == 0).flat_map(|n, out| {
            (0..n % 4).for_each(|i| out.collect(n * 10 + i));
            Ok(())
        })
    };
    let mut want: Vec<u64> = (0..100).map(|n| n * 2).filter(|n| n % 3 == 0).collect();
    want = want.into_iter().flat_map(|n| (0..n % 4).map(move |i| n * 10 + i)).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

const ODD: OutputTag<String> = OutputTag::new("odd");

#[derive(Clone)]
struct Parity;
impl ProcessFunction for Parity {
    type In = u64;
    type Out = u64;
    fn process_element(&mut self, n: u64, ctx: &mut ProcessContext<'_, (), u64>) -> Result<()> {
        assert_eq!(ctx.timestamp(), n as i64);
        if n.is_multiple_of(2) {
            ctx.collect(n);
        } else {
            ctx.output(&ODD, format!("odd {n:03}"));
        }
        Ok(())
    }
}

#[test]
fn process_with_a_side_output_of_another_type() {
    let build = |env: &StreamExecutionEnvironment| {
        let even = numbers(env, 100).process(Parity);
        let odd = even.side_output(&ODD);
        even.map(|n| format!("even {n:03}")).union(&[&odd, &odd.map(|s| s + "!")])
    };
    let mut want: Vec<String> = (0..100).step_by(2).map(|n| format!("even {n:03}")).collect();
    for n in (1..100).step_by(2) {
        want.extend([format!("odd {n:03}"), format!("odd {n:03}!")]);
    }
    want.sort();
    everywhere(build, |got| assert_eq!(got, want));
}

#[test]
fn key_by_reduce() {
    let build = |env: &StreamExecutionEnvironment| {
        numbers(env, 100).map(|n| (n % 5, 1u64)).key_by(|p| p.0).reduce(|a, b| (a.0, a.1 + b.1))
    };
    let want: Vec<(u64, u64)> = (0..5).flat_map(|k| (1..=20).map(move |n| (k, n))).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

#[test]
fn map_with_state_can_forget() {
    let build = |env: &StreamExecutionEnvironment| {
        numbers(env, 100).key_by(|n| n % 5).map_with_state(|state: &mut Option<u64>, n| {
            let count = state.unwrap_or(0) + 1;
            *state = (count < 4).then_some(count);
            (n % 5, count)
        })
    };
    // Twenty of each key: five rounds of one to four.
    let want: Vec<(u64, u64)> =
        (0..5).flat_map(|k| (1..=4).flat_map(move |c| vec![(k, c); 5])).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

/// Fires for each key at the end of each ten of event time, and sees no later record yet.
#[derive(Clone)]
struct Tens;
impl KeyedProcessFunction for Tens {
    type Key = u64;
    type In = u64;
    type Out = (u64, i64);
    fn process_element(
        &mut self,
        n: u64,
        ctx: &mut ProcessContext<'_, u64, (u64, i64)>,
    ) -> Result<()> {
        assert!(ctx.current_watermark().0 < n as i64, "{n} is on time");
        ctx.register_event_time_timer(n as i64 / 10 * 10 + 9);
        Ok(())
    }
    fn on_timer(&mut self, time: i64, ctx: &mut ProcessContext<'_, u64, (u64, i64)>) -> Result<()> {
        assert!(ctx.current_watermark().0 >= time && ctx.timestamp() == time);
        let key = *ctx.current_key();
        ctx.collect((key, time));
        Ok(())
    }
}

#[test]
fn event_time_timers() {
    let build =
        |env: &StreamExecutionEnvironment| numbers(env, 100).key_by(|n| n % 2).process(Tens);
    let want: Vec<(u64, i64)> =
        (0..2).flat_map(|k| (0..10).map(move |t| (k, t * 10 + 9))).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

/// Answers each record a few milliseconds of processing time later.
#[derive(Clone)]
struct Later(Count);
impl KeyedProcessFunction for Later {
    type Key = u64;
    type In = u64;
    type Out = u64;
    fn process_element(&mut self, n: u64, ctx: &mut ProcessContext<'_, u64, u64>) -> Result<()> {
        let now_ms = ctx.current_processing_time();
        ctx.register_processing_time_timer(now_ms + 600_000);
        if n < 20 {
            ctx.register_processing_time_timer(now_ms + 5);
            ctx.delete_processing_time_timer(now_ms + 600_000);
        }
        Ok(())
    }
    fn on_timer(&mut self, time: i64, ctx: &mut ProcessContext<'_, u64, u64>) -> Result<()> {
        assert!(ctx.current_processing_time() >= time);
        self.0.add(1);
        let key = *ctx.current_key();
        ctx.collect(key);
        Ok(())
    }
}

#[test]
fn processing_time_timers_fire_while_the_source_waits() {
    for (workers, processes) in LAYOUTS {
        let got = within_a_minute(move || {
            let (env, sink, gate) = (environment(), Collect::default(), Gate::default());
            let fired = Count::default();
            let source = Script::new(vec![(0..21).map(|n| (n, 0)).collect()]).stop(0, 20, &gate);
            env.from_source(source, ascending(), "numbers")
                .key_by(|n| *n)
                .process(Later(fired.clone()))
                .sink_to(sink.clone());
            let cluster = MiniCluster::new(workers).processes(processes);
            let job = cluster.start(&env, "later").unwrap();
            wait_until("timers", || fired.get() == 20);
            gate.open();
            job.wait().unwrap();
            sink.sorted()
        });
        // At the end of the input, timers of processing time do not fire, as in Flink.
        assert_eq!(got, (0..20).collect::<Vec<u64>>());
    }
}

#[test]
fn every_way_to_deal_out_keeps_everything() {
    type Deal = fn(DataStream<u64>) -> DataStream<u64>;
    let deals: [Deal; 7] = [
        |s| s.rebalance(),
        |s| s.rescale(),
        |s| s.shuffle(),
        |s| s.global(),
        |s| s.forward(),
        |s| s.partition_custom(|n, targets| *n as usize % targets),
        |s| s.union(&[]),
    ];
    for deal in deals {
        let build = move |env: &StreamExecutionEnvironment| {
            deal(deal(numbers(env, 100).set_parallelism(1)).map(|n| n))
                .map(|n| n)
                .set_parallelism(1)
        };
        everywhere(build, |got| assert_eq!(got, (0..100).collect::<Vec<u64>>()));
    }
}

#[test]
fn broadcast_copies_and_global_gathers() {
    within_a_minute(|| {
        let (env, copies, gathered) = (environment(), Collect::default(), Collect::default());
        let all = numbers(&env, 50);
        let note = |stream: DataStream<u64>, sink: &Collect<(usize, u64)>| {
            stream.transform("note", move |c| Ok(Note(c.subtask.index))).sink_to(sink.clone());
        };
        note(all.broadcast(), &copies);
        note(all.global(), &gathered);
        MiniCluster::new(3).execute(&env, "copies").unwrap();
        let want: Vec<(usize, u64)> = (0..3).flat_map(|s| (0..50).map(move |n| (s, n))).collect();
        assert_eq!(copies.sorted(), want);
        assert_eq!(gathered.sorted(), (0..50).map(|n| (0, n)).collect::<Vec<_>>());
    });
}

/// Adds the index of the subtask.
struct Note(usize);
impl millstream_runtime::Operator for Note {
    type In = millstream_core::Batch<u64>;
    type Out = millstream_core::Batch<(usize, u64)>;
    fn on_batch(
        &mut self,
        batch: Self::In,
        out: &mut millstream_runtime::Output<Self::Out>,
    ) -> Result<()> {
        let subtask = self.0;
        out.emit(batch.map(|n| (subtask, n)));
        Ok(())
    }
}

#[test]
fn window_all_and_count_windows() {
    let sums = |env: &StreamExecutionEnvironment| {
        numbers(env, 100)
            .window_all(TumblingEventTimeWindows::of(Duration::from_millis(10)))
            .reduce(|a, b| a + b)
    };
    let want: Vec<u64> = (0..10).map(|w| (w * 10..w * 10 + 10).sum()).collect();
    everywhere(sums, |got| assert_eq!(got, want));

    let counts = |env: &StreamExecutionEnvironment| {
        numbers(env, 100)
            .map(|n| (n % 3, 1u64))
            .key_by(|p| p.0)
            .count_window(5)
            .reduce(|a, b| (a.0, a.1 + b.1))
    };
    // 34, 33 and 33 records: six full windows each; what is not full does not fire.
    let want: Vec<(u64, u64)> = (0..3).flat_map(|k| vec![(k, 5); 6]).collect();
    everywhere(counts, |got| assert_eq!(got, want));

    let sliding = |env: &StreamExecutionEnvironment| {
        numbers(env, 100)
            .map(|n| (n % 3, 1u64))
            .key_by(|p| p.0)
            .sliding_count_window(10, 5)
            .reduce(|a, b| (a.0, a.1 + b.1))
    };
    let want: Vec<(u64, u64)> =
        (0..3).flat_map(|k| [vec![(k, 5)], vec![(k, 10); 5]].concat()).collect();
    everywhere(sliding, |got| assert_eq!(got, want));
}

#[test]
fn event_time_can_be_assigned_in_the_middle_of_a_stream() {
    let build = |env: &StreamExecutionEnvironment| {
        // The source says nothing of time: it comes with the strategy.
        let split = |s: u64| (0..100).filter(|i| i % 3 == s).map(|i| (i, i64::MIN)).collect();
        let source = Script::new((0..3u64).map(split).collect());
        env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers")
            .set_parallelism(1)
            .filter(|n| n % 2 == 0)
            .assign_timestamps_and_watermarks(
                WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(30))
                    .with_timestamp_assigner(|n: &u64, _| *n as i64),
            )
            .key_by(|_| 0u8)
            .window(TumblingEventTimeWindows::of(Duration::from_millis(10)))
            .reduce(|a, b| a + b)
    };
    let want: Vec<u64> =
        (0..10).map(|w| (w * 10..w * 10 + 10).filter(|n| n % 2 == 0).sum()).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

#[test]
fn chains_are_shown_and_can_be_broken() {
    let draw = |change: fn(DataStream<u64>) -> DataStream<u64>| {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(2);
        let middle = change(numbers(&env, 3).map(|n| n).name("first").map(|n| n).name("middle"));
        middle.map(|n| n).name("last").sink_to(Collect::default()).name("out");
        let plan = env.explain().unwrap();
        tasks(&plan).iter().map(|line| line.to_string()).collect::<Vec<_>>()
    };
    let whole = "task 0: numbers -> first -> middle -> last -> out (parallelism 2)";
    assert_eq!(draw(|s| s), [whole]);
    assert_eq!(
        draw(|s| s.start_new_chain()),
        [
            "task 0: numbers -> first (parallelism 2)",
            "task 1: middle -> last -> out (parallelism 2)"
        ]
    );
    assert_eq!(
        draw(|s| s.disable_chaining()),
        [
            "task 0: numbers -> first (parallelism 2)",
            "task 1: middle (parallelism 2)",
            "task 2: last -> out (parallelism 2)"
        ]
    );
    assert_eq!(draw(|s| s.set_parallelism(1)).len(), 3);
    assert_eq!(draw(|s| s.rescale()).len(), 2);
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).disable_operator_chaining();
    numbers(&env, 3).map(|n| n).key_by(|n| *n).reduce(|a, _| *a).sink_to(Collect::default());
    let plan = env.explain().unwrap();
    assert_eq!(tasks(&plan).len(), 4);
    assert!(
        plan.contains("-- HASH --> task 2") && plan.contains("-- FORWARD --> task 1"),
        "{plan}"
    );
}

#[test]
fn a_uid_used_twice_is_refused() {
    let env = StreamExecutionEnvironment::new();
    let stream = numbers(&env, 3).map(|n| n).uid("same").map(|n| n).uid("same").name("second");
    stream.sink_to(Collect::default());
    let error = env.execute("refused").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("operator 'second': two operators have uid 'same'"), "{text}");
}

#[test]
fn more_parallelism_than_workers_is_refused_with_advice() {
    let env = StreamExecutionEnvironment::new();
    numbers(&env, 3).map(|n| n).name("wide").set_parallelism(5).sink_to(Collect::default());
    let error = MiniCluster::new(2).processes(2).execute(&env, "refused").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(
        text.contains("operator 'wide': parallelism 5 needs 5 workers, the job has 4"),
        "{text}"
    );
    assert!(text.contains("--workers") && text.contains("--processes"), "{text}");
    let env = StreamExecutionEnvironment::new();
    env.set_max_parallelism(2);
    numbers(&env, 3).set_parallelism(3).sink_to(Collect::default());
    let error = env.execute("refused").unwrap_err();
    assert!(error.to_string().contains("parallelism 3 is not in 1..=2"), "{error}");
}
