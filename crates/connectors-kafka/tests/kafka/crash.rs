//! The exactly-once sink in a process that is killed again and again; in the end the topic is
//! read as a read_committed consumer does.
//!
//! Invariant: every row is there exactly once.

use crate::broker::{PATIENCE, Topic, servers};
use millstream_kafka::{DeliveryGuarantee, KafkaSink, ser};
use millstream_testkit::crash::{self, CrashTest};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const CHILD: &str = "crash::child_runs_the_sink";

/// Transactions have the topic's name for a prefix.
#[test]
fn child_runs_the_sink() {
    let sink = |topic: &str| {
        KafkaSink::<String>::builder()
            .bootstrap_servers(servers())
            .topic(topic)
            .value(ser::string())
            .delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
            .transactional_id_prefix(topic)
            .build()
            .unwrap()
    };
    crash::play(sink, |number| number.to_string());
}

fn ledger(topic: &Topic) -> Topic {
    Topic(format!("{}.ledger", topic.name()))
}

/// All rows that a read_committed reader sees, when every marker is written.
pub(crate) fn committed(topic: &Topic, partitions: i32) -> Vec<u64> {
    committed_at(&servers(), topic.name(), partitions)
}

/// The same, of another broker.
pub(crate) fn committed_at(servers: &str, topic: &str, partitions: i32) -> Vec<u64> {
    let consumer = |isolation: &str| -> BaseConsumer {
        rdkafka::ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "millstream-tests")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .create()
            .unwrap()
    };
    let (reader, all) = (consumer("read_committed"), consumer("read_uncommitted"));
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        let deadline = Instant::now() + PATIENCE;
        let end = |c: &BaseConsumer| c.fetch_watermarks(topic, partition, PATIENCE).unwrap().1;
        while end(&reader) < end(&all) {
            assert!(Instant::now() < deadline, "a transaction is open for good");
            std::thread::sleep(Duration::from_millis(50));
        }
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&list).unwrap();
    let (mut rows, mut ended) = (Vec::new(), 0);
    let deadline = Instant::now() + PATIENCE;
    while ended < partitions {
        assert!(Instant::now() < deadline);
        match reader.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(m)) => {
                rows.push(std::str::from_utf8(m.payload().unwrap()).unwrap().parse().unwrap());
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("{error}"),
        }
    }
    rows.sort_unstable();
    rows
}

fn assert_each_once(topic: &Topic, partitions: i32) {
    let rows = committed(topic, partitions);
    let expected: Vec<u64> = (0..crash::ROWS).collect();
    let lost = expected.iter().filter(|r| rows.binary_search(r).is_err()).count();
    let doubled = rows.windows(2).filter(|w| w[0] == w[1]).count();
    assert_eq!((lost, doubled), (0, 0), "lost and doubled rows of {}", expected.len());
    assert_eq!(rows.len(), expected.len());
}

#[test]
fn killed_at_every_named_point_each_row_is_there_once() {
    let topic = Topic::new("crash-points", 3);
    let _ledger = ledger(&topic);
    CrashTest::new(CHILD, topic.name()).kill_at_every_point();
    assert_each_once(&topic, 3);
}

#[test]
fn killed_at_random_moments_each_row_is_there_once() {
    let topic = Topic::new("crash-random", 3);
    let _ledger = ledger(&topic);
    let (least, most) = (Duration::from_millis(60), Duration::from_millis(1850));
    CrashTest::new(CHILD, topic.name()).kill_at_random_moments(least, most);
    assert_each_once(&topic, 3);
}
