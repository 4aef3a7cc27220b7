//! Window join, co-group and interval join against models that are simple to read, cut
//! and rescaled anywhere.

use crate::support::ms;
use millstream_core::key_group::subtask_of;
use millstream_core::{Batch, Either, ErrorKind, NO_TIMESTAMP, Result, key_group_of};
use millstream_runtime::OutputTag;
use millstream_runtime::join::{IntervalJoinBuilder, JoinOperatorFactory, WindowJoinBuilder};
use millstream_runtime::window::{
    EventTimeSessionWindows, SlidingEventTimeWindows, TimeWindow, TumblingEventTimeWindows,
    WindowContext,
};
use millstream_testkit::OperatorHarness;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Key and a value that no other row has. The right side has its own type.
type Left = (u8, u32);
type Right = (u8, i64);
/// Left value, right value, event time of the result.
type Pair = (u32, i64, i64);

const LEFT_LATE: OutputTag<Left> = OutputTag::new("left");
const RIGHT_LATE: OutputTag<Right> = OutputTag::new("right");
const MAX_PARALLELISM: usize = 128;

#[derive(Clone, Copy, Debug)]
enum Step {
    Left(u8, i64),
    Right(u8, i64),
    Watermark(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = || (0u8..3, -15i64..30);
    let step = prop_oneof![
        4 => row().prop_map(|(k, t)| Step::Left(k, t)),
        4 => row().prop_map(|(k, t)| Step::Right(k, t)),
        1 => (0i64..12).prop_map(Step::Watermark),
    ];
    prop::collection::vec(step, 1..40)
}

/// Pairs by step, in order within a key when the steps say so; late values.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    pairs: BTreeMap<usize, Vec<Pair>>,
    late: Vec<i64>,
}

/// Runs the steps and the end of input; `cuts` as in `support::run`.
fn run(
    factory: &JoinOperatorFactory<Left, Right, (u32, i64)>,
    steps: &[Step],
    cuts: &[(usize, usize)],
) -> Outcome {
    let open = |index: usize, parallelism: usize, former: Option<Vec<_>>| {
        let mut builder = OperatorHarness::builder(factory.create())
            .subtask(index, parallelism, MAX_PARALLELISM)
            .side(LEFT_LATE)
            .side(RIGHT_LATE);
        if let Some(former) = former {
            builder = builder.restored(former);
        }
        builder.open().unwrap()
    };
    let mut tasks = vec![open(0, 1, None)];
    let mut outcome = Outcome::default();
    let mut now = -10;
    let end = Step::Watermark(i64::MAX);
    for (i, step) in steps.iter().chain([&end]).enumerate() {
        let owner =
            |key: u8| subtask_of(key_group_of(&key, MAX_PARALLELISM), MAX_PARALLELISM, tasks.len());
        match *step {
            Step::Left(key, time) => {
                let batch = Batch::from_parts(vec![(key, i as u32)], vec![time]);
                let owner = owner(key);
                tasks[owner].input(Either::Left(batch)).unwrap();
            }
            Step::Right(key, time) => {
                let batch = Batch::from_parts(vec![(key, i as i64)], vec![time]);
                let owner = owner(key);
                tasks[owner].input(Either::Right(batch)).unwrap();
            }
            Step::Watermark(by) => {
                now = by.saturating_add(now).max(now);
                let time = if by == i64::MAX { i64::MAX } else { now };
                tasks.iter_mut().for_each(|task| task.watermark(time).unwrap());
            }
        }
        for task in &mut tasks {
            let pairs = task.take_output();
            let pairs = pairs.into_iter().map(|((left, right), time)| (left, right, time));
            outcome.pairs.entry(i).or_default().extend(pairs);
            outcome.late.extend(task.take_side(&LEFT_LATE).iter().map(|(row, _)| i64::from(row.1)));
            outcome.late.extend(task.take_side(&RIGHT_LATE).iter().map(|(row, _)| row.1));
        }
        for (_, parallelism) in cuts.iter().filter(|(at, _)| *at == i) {
            let former: Vec<_> = tasks.iter_mut().map(|t| t.snapshot(1).unwrap()).collect();
            let reopen = |index| open(index, *parallelism, Some(former.clone()));
            tasks = (0..*parallelism).map(reopen).collect();
        }
    }
    outcome.pairs.values_mut().for_each(|pairs| pairs.sort_unstable());
    outcome.pairs.retain(|_, pairs| !pairs.is_empty());
    outcome
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    lower: i64,
    upper: i64,
    exclusive: (bool, bool),
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (-8i64..8, 0i64..8, any::<(bool, bool)>()).prop_map(|(lower, width, exclusive)| Bounds {
        lower,
        upper: lower + width,
        exclusive,
    })
}

fn interval(bounds: Bounds) -> JoinOperatorFactory<Left, Right, (u32, i64)> {
    let mut builder = IntervalJoinBuilder::new(
        |row: &Left| row.0,
        |row: &Right| row.0,
        bounds.lower,
        bounds.upper,
    );
    if bounds.exclusive.0 {
        builder = builder.lower_bound_exclusive();
    }
    if bounds.exclusive.1 {
        builder = builder.upper_bound_exclusive();
    }
    builder
        .left_late_tag(LEFT_LATE)
        .right_late_tag(RIGHT_LATE)
        .process(|left, right, ctx| {
            assert_eq!(ctx.timestamp(), ctx.left_timestamp().max(ctx.right_timestamp()));
            ctx.collect((left.1, right.1));
            Ok(())
        })
        .unwrap()
}

/// All rows that were accepted, each with whether a watermark has taken it away.
fn interval_model(bounds: Bounds, steps: &[Step]) -> Outcome {
    struct Kept {
        left: bool,
        key: u8,
        time: i64,
        value: usize,
        cleanup: i64,
        gone: bool,
    }
    let lower = bounds.lower + i64::from(bounds.exclusive.0);
    let upper = bounds.upper - i64::from(bounds.exclusive.1);
    let mut outcome = Outcome::default();
    let (mut kept, mut now, mut seen) = (Vec::<Kept>::new(), -10, i64::MIN);
    for (value, step) in steps.iter().enumerate() {
        let (left, key, time) = match *step {
            Step::Left(key, time) => (true, key, time),
            Step::Right(key, time) => (false, key, time),
            Step::Watermark(by) => {
                now += by;
                seen = now;
                kept.iter_mut().for_each(|row| row.gone |= row.cleanup <= now);
                continue;
            }
        };
        if time < seen {
            outcome.late.push(value as i64);
            continue;
        }
        for other in kept.iter().filter(|o| !o.gone && o.key == key && o.left != left) {
            let (l, r) = if left { (time, other.time) } else { (other.time, time) };
            if (lower..=upper).contains(&(r - l)) {
                let (left, right) = if left { (value, other.value) } else { (other.value, value) };
                let pair = (left as u32, right as i64, time.max(other.time));
                outcome.pairs.entry(value).or_default().push(pair);
            }
        }
        let farthest = if left { upper } else { -lower };
        kept.push(Kept { left, key, time, value, cleanup: time + farthest.max(0), gone: false });
    }
    outcome.pairs.values_mut().for_each(|pairs| pairs.sort_unstable());
    outcome
}

fn window_join(assigner: u8) -> JoinOperatorFactory<Left, Right, (u32, i64)> {
    let left = |row: &Left| row.0;
    let right = |row: &Right| row.0;
    let pair = |left: &Left, right: &Right| (left.1, right.1);
    match assigner {
        0 => WindowJoinBuilder::new(left, right, TumblingEventTimeWindows::of(ms(5))).join(pair),
        1 => {
            let sliding = SlidingEventTimeWindows::of(ms(7), ms(3));
            WindowJoinBuilder::new(left, right, sliding).join(pair)
        }
        _ => {
            let sessions = EventTimeSessionWindows::with_gap(ms(2));
            WindowJoinBuilder::new(left, right, sessions).join(pair)
        }
    }
    .unwrap()
}

/// Joins of windows on a grid, when no row is late: pairs that share a window.
fn window_model(size: i64, slide: i64, rows: &[Step]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (left, l) in rows.iter().enumerate() {
        for (right, r) in rows.iter().enumerate() {
            let (Step::Left(lk, lt), Step::Right(rk, rt)) = (*l, *r) else { continue };
            for start in -60..40i64 {
                let window = TimeWindow { start, end: start + size };
                let both = [lt, rt].iter().all(|t| window.start <= *t && *t < window.end);
                if lk == rk && both && start.rem_euclid(slide) == 0 {
                    pairs.push((left as u32, right as i64, window.max_timestamp()));
                }
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_interval_join_is_the_model_wherever_it_is_cut(
        bounds in bounds(), steps in steps(), first in 0usize..20, second in 0usize..20,
    ) {
        let model = interval_model(bounds, &steps);
        let factory = interval(bounds);
        prop_assert_eq!(&run(&factory, &steps, &[]), &model);
        let cuts = [(first, 3), (first + 1 + second, 2)];
        prop_assert_eq!(&run(&factory, &steps, &cuts), &model);
    }

    #[test]
    fn a_window_join_pairs_what_shares_a_window(
        steps in steps(), first in 0usize..20, second in 0usize..20,
    ) {
        let rows: Vec<Step> =
            steps.into_iter().filter(|step| !matches!(step, Step::Watermark(_))).collect();
        let cuts = [(first, 3), (first + 1 + second, 2)];
        for (assigner, size, slide) in [(0, 5, 5), (1, 7, 3)] {
            let outcome = run(&window_join(assigner), &rows, &cuts);
            let pairs: Vec<Pair> = outcome.pairs.into_values().flatten().collect();
            prop_assert_eq!(pairs, window_model(size, slide, &rows));
        }
    }

    #[test]
    fn session_joins_survive_cuts(steps in steps(), first in 0usize..20, second in 0usize..20) {
        let cuts = [(first, 3), (first + 1 + second, 2)];
        let factory = window_join(2);
        prop_assert_eq!(run(&factory, &steps, &[]), run(&factory, &steps, &cuts));
    }
}

#[test]
fn a_co_group_sees_windows_with_one_side_only() {
    let factory = WindowJoinBuilder::new(
        |row: &Left| row.0,
        |row: &Right| row.0,
        TumblingEventTimeWindows::of(ms(10)),
    )
    .co_group(|key, left, right, ctx: &mut WindowContext<'_, String>| -> Result<()> {
        let line = format!("{key} {} {left:?} {right:?}", ctx.window());
        ctx.collect(line);
        Ok(())
    })
    .unwrap();
    let mut harness = OperatorHarness::new(factory.create());
    let left = Batch::from_parts(vec![(1, 5), (1, 6), (1, 7)], vec![3, 12, 9]);
    harness.input(Either::Left(left)).unwrap();
    harness.input(Either::Right(Batch::from_parts(vec![(1, -1)], vec![0]))).unwrap();
    harness.end().unwrap();
    assert_eq!(
        harness.take_text(),
        [
            r#""1 [0, 10) [(1, 5), (1, 7)] [(1, -1)]" @9"#,
            r#""1 [10, 20) [(1, 6)] []" @19"#,
            "watermark MAX"
        ]
    );
}

/// The order of Flink's `JoinedStreams`: by left row, then by right row.
#[test]
fn pairs_of_a_window_come_by_left_row() {
    let mut harness = OperatorHarness::new(window_join(0).create());
    let right = Batch::from_parts(vec![(1, 10), (1, 20)], vec![1, 0]);
    harness.input(Either::Right(right)).unwrap();
    let left = Batch::from_parts(vec![(1, 1), (1, 2)], vec![4, 2]);
    harness.input(Either::Left(left)).unwrap();
    harness.watermark(4).unwrap();
    let pairs: Vec<_> = harness.take_output().into_iter().map(|(pair, _)| pair).collect();
    assert_eq!(pairs, [(1, 10), (1, 20), (2, 10), (2, 20)]);
}

#[test]
fn what_cannot_work_is_refused() {
    let crossed = IntervalJoinBuilder::new(|row: &Left| row.0, |row: &Right| row.0, 5, 3)
        .process(|_, _, _| Ok(()));
    let error = match crossed {
        Ok(factory) => {
            let _: JoinOperatorFactory<Left, Right, u8> = factory;
            panic!("bounds that cross are accepted")
        }
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("lower bound of 5 ms"), "{error}");

    let bounds = Bounds { lower: -1, upper: 1, exclusive: (false, false) };
    let mut harness = OperatorHarness::new(interval(bounds).create());
    let batch = Batch::from_parts(vec![(1, 1)], vec![NO_TIMESTAMP]);
    let error = harness.input(Either::Left(batch)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    // The ends of time are times like any other.
    let ends = Batch::from_parts(vec![(1, 1), (1, 2)], vec![i64::MIN + 1, i64::MAX]);
    harness.input(Either::Left(ends.clone())).unwrap();
    harness.input(Either::Right(ends.map(|row| (row.0, i64::from(row.1))))).unwrap();
    assert_eq!(harness.take_output().len(), 2);
}

#[test]
fn late_rows_without_a_consumer_are_counted() {
    let bounds = Bounds { lower: 0, upper: 5, exclusive: (false, false) };
    let mut harness = OperatorHarness::new(interval(bounds).create());
    harness.watermark(10).unwrap();
    for time in [9, 10] {
        harness.input(Either::Left(Batch::from_parts(vec![(1, 1)], vec![time]))).unwrap();
    }
    assert_eq!(harness.counter("numLateRecordsDropped").get(), 1);
}

/// Rows go exactly when Flink lets them go, and leave nothing behind.
#[test]
fn rows_without_possible_partners_are_forgotten() {
    let factory = interval(Bounds { lower: -3, upper: 5, exclusive: (false, false) });
    let left = |time| Either::Left(Batch::from_parts(vec![(1, 1)], vec![time]));
    let right = |time| Either::Right(Batch::from_parts(vec![(1, 2)], vec![time]));
    let mut harness = OperatorHarness::new(factory.create());
    harness.input(left(10)).unwrap();
    harness.input(right(20)).unwrap();
    harness.watermark(14).unwrap();
    harness.input(right(15)).unwrap();
    assert_eq!(harness.take_output(), [((1, 2), 15)]);
    // The watermark has reached 10 + 5: a partner at 15 is not late, but comes too late.
    harness.watermark(15).unwrap();
    harness.input(right(15)).unwrap();
    assert_eq!(harness.take_output(), []);
    harness.watermark(22).unwrap();
    harness.input(left(23)).unwrap();
    assert_eq!(harness.take_output(), [((1, 2), 23)]);
    harness.watermark(23).unwrap();
    harness.input(left(23)).unwrap();
    assert_eq!(harness.take_output(), []);
    harness.watermark(100).unwrap();
    let mut fresh = OperatorHarness::new(factory.create());
    fresh.watermark(100).unwrap();
    assert_eq!(harness.snapshot(1).unwrap(), fresh.snapshot(1).unwrap());
}
