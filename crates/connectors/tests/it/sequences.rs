//! Collection and datagen: the same records at every parallelism, across restores, and at
//! the rate asked for.

use crate::Drive;
use millstream_connectors::datagen::rand::Rng;
use millstream_connectors::{CollectionSource, DataGenSource};
use millstream_core::{ErrorKind, NO_TIMESTAMP};
use millstream_runtime::{Source, SourcePoll, StoredState, WatermarkStrategy};
use millstream_testkit::SourceHarness;
use std::collections::BTreeMap;

fn numbers(count: u64) -> DataGenSource<(u64, u64)> {
    DataGenSource::new(|index, rng: &mut _| (index, rng.next_u64())).seed(42).number_of_rows(count)
}

/// Runs all subtasks for `calls` calls each; answers what they emitted and their snapshots.
fn run<S: Source<Out = (u64, u64)>>(
    source: impl Fn() -> S,
    parallelism: usize,
    former: Option<Vec<StoredState>>,
    calls: usize,
) -> (Vec<(u64, u64)>, Vec<StoredState>) {
    let (mut records, mut snapshots) = (Vec::new(), Vec::new());
    for index in 0..parallelism {
        let source = source();
        let mut builder = SourceHarness::builder(&source).subtask(index, parallelism);
        if let Some(former) = &former {
            builder = builder.restored(former.clone());
        }
        let mut harness = builder.open().unwrap();
        for _ in 0..calls {
            if harness.poll().unwrap() == SourcePoll::End {
                break;
            }
        }
        records.extend(harness.take_values());
        snapshots.push(harness.snapshot(1).unwrap());
    }
    records.sort_unstable();
    (records, snapshots)
}

#[test]
fn datagen_makes_the_same_records_at_every_parallelism_and_across_rescaling() {
    let (want, _) = run(|| numbers(20_000), 1, None, usize::MAX);
    assert_eq!(want.len(), 20_000);
    let distinct: BTreeMap<u64, u64> = want.iter().map(|(i, random)| (*random, *i)).collect();
    assert_eq!(distinct.len(), 20_000, "every record has random numbers of its own");
    for parallelism in [2, 3, 5] {
        assert_eq!(run(|| numbers(20_000), parallelism, None, usize::MAX).0, want);
    }
    for path in [[3, 2, 4], [1, 4, 1], [4, 6, 5]] {
        let (mut got, mut state) = (Vec::new(), None);
        for (attempt, parallelism) in path.into_iter().enumerate() {
            let calls = if attempt == 2 { usize::MAX } else { 2 };
            let (records, snapshots) = run(|| numbers(20_000), parallelism, state, calls);
            got.extend(records);
            state = Some(snapshots);
        }
        got.sort_unstable();
        assert_eq!(got, want, "{path:?}");
        assert!(run(|| numbers(20_000), 2, state, usize::MAX).0.is_empty(), "all has been read");
    }
}

#[test]
fn another_seed_makes_other_records() {
    let first = |seed| run(|| numbers(1).seed(seed), 1, None, 9).0[0].1;
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

/// Stored jobs count on these: a change breaks the promise of the same records.
#[test]
fn the_random_numbers_are_pinned() {
    let (records, _) = run(|| numbers(2), 1, None, 9);
    assert_eq!(records, PINNED);
}
const PINNED: [(u64, u64); 2] = [(0, 3_854_047_883_332_792_404), (1, 6_940_567_359_657_030_630)];

#[test]
fn the_rate_is_that_of_all_subtasks_together() {
    let source = || numbers(u64::MAX).rows_per_second(100.0);
    let mut emitted = 0;
    for index in 0..4 {
        let source = source();
        let builder = SourceHarness::builder(&source).subtask(index, 4).processing_time(5_000);
        let mut harness = builder.open().unwrap();
        let mut now_ms = 5_000;
        loop {
            let SourcePoll::Wait(Some(at)) = harness.poll_until_waiting().unwrap() else {
                panic!("a limited source waits")
            };
            assert!(at > now_ms, "it never asks for a time that has passed");
            now_ms = at;
            if now_ms >= 7_000 {
                break;
            }
            harness.processing_time(now_ms).unwrap();
        }
        emitted += harness.take_values().len();
    }
    assert_eq!(emitted, 200, "two seconds at 100 a second");
}

#[test]
fn a_reader_that_was_held_up_does_not_burst() {
    let source = numbers(u64::MAX).rows_per_second(1_000.0);
    let mut harness = SourceHarness::builder(&source).open().unwrap();
    harness.poll_until_waiting().unwrap();
    assert_eq!(harness.take_values().len(), 1);
    harness.processing_time(3_600_000).unwrap();
    harness.poll_until_waiting().unwrap();
    assert_eq!(harness.take_values().len(), 1_001, "a second's worth, not an hour's");
}

#[test]
fn a_rate_that_is_none_is_refused() {
    for rows in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = numbers(1).rows_per_second(rows).validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("rows_per_second"));
    }
}

#[test]
fn a_collection_is_read_in_order_by_one_subtask_and_goes_on_where_it_was() {
    let source = || CollectionSource::new((0..3_000u64).map(|i| (i, i)));
    let (first, snapshots) = run(source, 2, None, 1);
    let (rest, _) = run(source, 3, Some(snapshots), usize::MAX);
    let got: Vec<u64> = first.iter().chain(&rest).map(|r| r.0).collect();
    assert_eq!(got, (0..3_000).collect::<Vec<_>>());
    assert!(!rest.is_empty());
}

#[test]
fn a_parallel_collection_is_dealt_out() {
    let source = || CollectionSource::new((0..10u64).map(|i| (i, i))).parallel();
    let mut harness = SourceHarness::builder(&source()).subtask(1, 3).open().unwrap();
    harness.run_to_end().unwrap();
    assert_eq!(harness.take_values(), [(1, 1), (4, 4), (7, 7)]);
}

#[test]
fn event_times_of_a_collection_make_watermarks() {
    let source =
        CollectionSource::with_timestamps([("a", 10), ("b", 30)].map(|(v, t)| (v.to_owned(), t)));
    let mut harness = SourceHarness::builder(&source)
        .watermarks(WatermarkStrategy::for_monotonous_timestamps())
        .open()
        .unwrap();
    harness.run_to_end().unwrap();
    assert_eq!(harness.take_text(), ["\"a\" @10", "\"b\" @30", "watermark 29"]);
}

#[test]
fn an_empty_collection_ends_at_once() {
    let mut harness = SourceHarness::builder(&CollectionSource::<u8>::new([])).open().unwrap();
    harness.run_to_end().unwrap();
    assert!(harness.take_text().is_empty());
    let plain = CollectionSource::new([7u8]);
    let mut harness = SourceHarness::builder(&plain).open().unwrap();
    harness.run_to_end().unwrap();
    assert_eq!(harness.take_output(), [(7, NO_TIMESTAMP)]);
}
