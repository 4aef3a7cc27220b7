//! Where reading starts and ends, fresh and restored.

use crate::broker::{
    PATIENCE, Topic, numbers, of_partition, plain, read_all, servers, to_latest, unique,
};
use millstream_kafka::{IsolationLevel, OffsetReset, OffsetsInitializer};
use millstream_runtime::{SourcePoll, StoredState};
use millstream_testkit::SourceHarness;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::Duration;

fn committed(group: &str, topic: &Topic, partition: i32) -> Option<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(topic.name(), partition);
    let found = consumer.committed_offsets(list, PATIENCE).unwrap();
    match found.find_partition(topic.name(), partition).unwrap().offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

#[test]
fn earliest_to_latest_reads_everything_that_is_there() {
    let topic = Topic::new("everything", 3);
    topic.fill(0, 0..10);
    topic.fill(2, 10..15);
    let rows = read_all(to_latest(numbers(&topic)));
    assert_eq!(rows, [of_partition(0, 0..10), of_partition(2, 10..15)].concat());
}

#[test]
fn timestamps_and_offsets_bound_both_ends() {
    let topic = Topic::new("ranges", 2);
    topic.fill(0, 0..10);
    topic.fill(1, 0..4);
    let at = OffsetsInitializer::timestamp;
    // Value n is of 1000 (n + 1) ms: the start is included, the end is not; partition 1
    // has nothing at or after 5 s.
    let rows = read_all(numbers(&topic).starting_offsets(at(4_000)).bounded(at(6_000)));
    assert_eq!(rows, [of_partition(0, 3..5), of_partition(1, 3..4)].concat());

    let start = OffsetsInitializer::offsets([((topic.name(), 0), 7)]);
    let end = OffsetsInitializer::offsets([((topic.name(), 0), 9), ((topic.name(), 1), 2)]);
    let rows = read_all(numbers(&topic).starting_offsets(start).bounded(end));
    assert_eq!(rows, [of_partition(0, 7..9), of_partition(1, 0..2)].concat());

    // A start behind the end reads nothing, and still ends.
    let end = OffsetsInitializer::offsets([((topic.name(), 0), 0), ((topic.name(), 1), 0)]);
    assert!(read_all(numbers(&topic).bounded(end)).is_empty());
}

#[test]
fn latest_reads_only_what_comes_after_the_start() {
    let topic = Topic::new("latest", 1);
    topic.fill(0, 0..5);
    let source = numbers(&topic).starting_offsets(OffsetsInitializer::latest()).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    topic.fill(0, 5..8);
    assert!(harness.poll_records(PATIENCE, 3).unwrap());
    assert_eq!(plain(harness.take_output()), of_partition(0, 5..8));
    harness.close().unwrap();
}

#[test]
fn completed_checkpoints_commit_and_committed_offsets_start_there() {
    let topic = Topic::new("committed", 1);
    let group = unique("group");
    topic.fill(0, 0..6);
    let from = |reset| {
        let committed = OffsetsInitializer::committed(reset);
        numbers(&topic).group_id(&group).starting_offsets(committed)
    };
    let error = SourceHarness::open(&from(OffsetReset::None).build().unwrap()).err().unwrap();
    assert!(error.to_string().contains("has committed no offset"), "{error}");
    assert!(read_all(to_latest(from(OffsetReset::Latest))).is_empty());

    let source = from(OffsetReset::Earliest).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 6).unwrap());
    harness.snapshot(1).unwrap();
    // Not durable yet: nothing is committed; and a later epoch covers an earlier one.
    assert_eq!(committed(&group, &topic, 0), None);
    topic.fill(0, 6..8);
    assert!(harness.poll_records(PATIENCE, 8).unwrap());
    harness.snapshot(2).unwrap();
    harness.complete_checkpoint(2).unwrap();
    let prefix = format!("KafkaSourceReader.topic.{}.partition.0", topic.name());
    assert_eq!(harness.gauge(&format!("{prefix}.committedOffset")).get(), 8);
    assert_eq!(harness.gauge(&format!("{prefix}.currentOffset")).get(), 7);
    let succeeded = harness.counter("commitsSucceeded");
    harness.close().unwrap();
    assert_eq!(succeeded.get(), 1);
    assert_eq!(committed(&group, &topic, 0), Some(8));

    topic.fill(0, 8..9);
    assert_eq!(read_all(to_latest(from(OffsetReset::None))), of_partition(0, 8..9));
}

#[test]
fn commits_can_be_turned_off() {
    let topic = Topic::new("no-commits", 1);
    let group = unique("group");
    topic.fill(0, 0..3);
    let source = numbers(&topic).group_id(&group).commit_offsets_on_checkpoint(false);
    let mut harness = SourceHarness::open(&source.build().unwrap()).unwrap();
    assert!(harness.poll_records(PATIENCE, 3).unwrap());
    harness.snapshot(1).unwrap();
    harness.complete_checkpoint(1).unwrap();
    harness.close().unwrap();
    assert_eq!(committed(&group, &topic, 0), None);
}

/// Reads some of a topic by `before` subtasks, restores with `after`, reads the rest.
fn rescale(before: usize, after: usize) {
    let topic = Topic::new("rescale", 5);
    for partition in 0..5 {
        topic.fill(partition, 0..3000);
    }
    let source = numbers(&topic).build().unwrap();
    let mut rows = Vec::new();
    let mut former: Vec<StoredState> = Vec::new();
    for index in 0..before {
        let builder = SourceHarness::builder(&source).subtask(index, before);
        let mut harness = builder.open().unwrap();
        if before < 5 {
            assert!(harness.poll_records(PATIENCE, 1000).unwrap());
        } else {
            harness.poll().unwrap();
        }
        former.push(harness.snapshot(1).unwrap());
        // Records behind the cut belong to the next attempt.
        rows.extend(plain(harness.take_output()));
        harness.poll_records(Duration::from_millis(200), 1).unwrap();
        harness.close().unwrap();
    }
    assert!(rows.len() < 5 * 3000);
    let source = to_latest(numbers(&topic)).build().unwrap();
    for index in 0..after {
        let builder = SourceHarness::builder(&source).subtask(index, after);
        let mut harness = builder.restored(former.clone()).open().unwrap();
        assert!(harness.poll_to_end(PATIENCE).unwrap());
        rows.extend(plain(harness.take_output()));
        harness.close().unwrap();
    }
    rows.sort_unstable();
    let all: Vec<_> = (0..5).flat_map(|partition| of_partition(partition, 0..3000)).collect();
    assert_eq!(rows.len(), all.len());
    assert_eq!(rows, all);
}

#[test]
fn positions_survive_a_restore_with_fewer_subtasks() {
    rescale(3, 1);
}

#[test]
fn positions_survive_a_restore_with_more_subtasks_than_partitions() {
    rescale(2, 7);
}

#[test]
fn a_snapshot_before_the_first_record_keeps_the_start() {
    let topic = Topic::new("early", 1);
    topic.fill(0, 0..2);
    let source = numbers(&topic).starting_offsets(OffsetsInitializer::latest()).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    // Written while nobody reads: a second "latest" would miss them.
    topic.fill(0, 2..5);
    let mut harness = SourceHarness::builder(&source).restored(former).open().unwrap();
    assert!(harness.poll_records(PATIENCE, 3).unwrap());
    assert_eq!(plain(harness.take_output()), of_partition(0, 2..5));
    harness.close().unwrap();
}

#[test]
fn partitions_made_while_the_job_was_down_are_read_from_their_beginning() {
    let topic = Topic::new("grown-down", 1);
    topic.fill(0, 0..2);
    let source = numbers(&topic).starting_offsets(OffsetsInitializer::latest()).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    topic.grow(2);
    topic.fill(1, 0..4);
    let mut harness = SourceHarness::builder(&source).restored(former).open().unwrap();
    assert!(harness.poll_records(PATIENCE, 4).unwrap());
    assert_eq!(plain(harness.take_output()), of_partition(1, 0..4));
    harness.close().unwrap();
}

#[test]
fn a_bounded_end_is_kept_over_a_restore() {
    let topic = Topic::new("bounded-restore", 1);
    topic.fill(0, 0..4);
    let source = to_latest(numbers(&topic)).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    topic.fill(0, 4..9);
    let mut harness = SourceHarness::builder(&source).restored(former).open().unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert_eq!(plain(harness.take_output()), of_partition(0, 0..4));
    let finished = vec![harness.snapshot(2).unwrap()];
    harness.close().unwrap();
    let mut harness = SourceHarness::builder(&source).restored(finished).open().unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert!(harness.take_output().is_empty());
    harness.close().unwrap();
}

#[test]
fn an_end_behind_transaction_markers_and_aborted_records_is_reached() {
    let topic = Topic::new("transactions", 1);
    let id = unique("tx");
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("transactional.id", &id)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    let write = |range: std::ops::Range<u32>, commit: bool| {
        producer.begin_transaction().unwrap();
        for n in range {
            let text = n.to_string();
            let record = BaseRecord::<str, str>::to(topic.name()).payload(&text).timestamp(1);
            producer.send(record).map_err(|(e, _)| e).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        match commit {
            true => producer.commit_transaction(PATIENCE).unwrap(),
            false => producer.abort_transaction(PATIENCE).unwrap(),
        }
    };
    write(0..3, true);
    write(3..6, false);
    // The log ends with a marker that no reader ever sees.
    assert_eq!(read_all(to_latest(numbers(&topic))), of_partition(0, 0..3));
    let uncommitted = numbers(&topic).isolation_level(IsolationLevel::ReadUncommitted);
    assert_eq!(read_all(to_latest(uncommitted)), of_partition(0, 0..6));
}

#[test]
fn an_unbounded_stop_ends_the_splits_and_keeps_the_source() {
    let topic = Topic::new("unbounded-stop", 1);
    topic.fill(0, 0..5);
    let stop = || numbers(&topic).unbounded_stop(OffsetsInitializer::latest());
    let source = stop().build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 5).unwrap());
    topic.fill(0, 5..7);
    harness.poll_records(Duration::from_millis(700), 6).unwrap();
    assert_eq!(plain(harness.take_output()), of_partition(0, 0..5));
    assert_eq!(harness.poll().unwrap(), SourcePoll::Wait(None));
    harness.close().unwrap();
    // Without discovery nothing can follow.
    let rows = read_all(stop().partition_discovery(Duration::ZERO));
    assert_eq!(rows, of_partition(0, 0..7));
}

#[test]
fn two_hundred_thousand_records_come_once_each() {
    let topic = Topic::new("many", 4);
    for partition in 0..4 {
        topic.fill(partition, 0..50_000);
    }
    let source = to_latest(numbers(&topic)).build().unwrap();
    let mut seen = BTreeSet::new();
    let mut last = [-1i64; 4];
    let mut count = 0;
    for index in 0..2 {
        let mut harness = SourceHarness::builder(&source).subtask(index, 2).open().unwrap();
        while !harness.has_ended() {
            let more = harness.poll_until(PATIENCE, |events| events.len() > 20_000).unwrap();
            assert!(more || harness.has_ended(), "stuck at {last:?}");
            for ((_, partition, offset, n), timestamp) in harness.take_output() {
                assert_eq!(timestamp, 1000 * (i64::from(n) + 1));
                assert_eq!(offset, last[partition as usize] + 1, "in order, without gaps");
                last[partition as usize] = offset;
                count += 1;
                seen.insert((partition, n));
            }
        }
        assert_eq!(harness.gauge("pendingRecords").get(), 0);
        harness.close().unwrap();
    }
    assert_eq!((count, seen.len()), (200_000, 200_000));
}
