//! What the sink writes, and what its barriers promise.

use crate::broker::{PATIENCE, Topic, header, servers};
use millstream_core::{Batch, ErrorKind, NO_TIMESTAMP};
use millstream_kafka::{DeliveryGuarantee, KafkaSink, KafkaSinkBuilder, ser};
use millstream_runtime::{Sink, SinkOperator};
use millstream_testkit::OperatorHarness;
use rdkafka::message::Message;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Pair = (String, u32);

fn pairs(topic: &Topic) -> KafkaSinkBuilder<Pair> {
    KafkaSink::builder()
        .bootstrap_servers(servers())
        .topic(topic.name())
        .key(|pair: &Pair, out| ser::string()(&pair.0, out))
        .value(ser::json())
}

fn open<S: Sink<Pair>>(sink: S) -> OperatorHarness<SinkOperator<Pair>> {
    OperatorHarness::builder(SinkOperator::new(Arc::new(sink))).open().unwrap()
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|b| String::from_utf8_lossy(b).into_owned())
}

#[test]
fn everything_before_a_barrier_is_in_kafka_after_it() {
    let topic = Topic::new("barrier", 1);
    // A linger that no test waits for shows that the barrier waits, and for how long.
    let mut harness = open(pairs(&topic).property("linger.ms", "300").build().unwrap());
    harness.push(("a".into(), 1), 1000).unwrap();
    harness.push(("b".into(), 2), NO_TIMESTAMP).unwrap();
    harness.snapshot(1).unwrap();
    let records = topic.read();
    let values: Vec<_> = records.iter().map(|m| text(m.payload())).collect();
    assert_eq!(values, [Some(r#"["a",1]"#.to_owned()), Some(r#"["b",2]"#.to_owned())]);
    assert_eq!(text(records[0].key()).as_deref(), Some("a"));
    assert_eq!(records[0].timestamp().to_millis(), Some(1000), "the event time");
    assert!(records[1].timestamp().to_millis().unwrap() > 1_500_000_000_000, "the producer's");
    assert_eq!(harness.counter("numRecordsSend").get(), 2);
    harness.push(("c".into(), 3), 3000).unwrap();
    harness.end().unwrap();
    assert_eq!(topic.read().len(), 3);
}

#[test]
fn keys_go_where_java_sends_them() {
    let topic = Topic::new("keys", 10);
    let mut harness = open(pairs(&topic).build().unwrap());
    // murmur2 of these keys as Java's clients compute it (Kafka's UtilsTest): "21",
    // "foobar", "a-little-bit-long-string".
    let hashes =
        [("21", -973932308i32), ("foobar", -790332482), ("a-little-bit-long-string", -985981536)];
    for (key, _) in hashes {
        harness.push((key.to_owned(), 0), 0).unwrap();
    }
    harness.end().unwrap();
    let records = topic.read();
    for (key, hash) in hashes {
        let found = records.iter().find(|m| m.key() == Some(key.as_bytes())).unwrap();
        assert_eq!(found.partition(), (hash & 0x7fff_ffff) % 10, "key {key}");
    }
}

#[test]
fn a_serializer_of_ones_own_sets_everything() {
    let (one, two) = (Topic::new("own-1", 3), Topic::new("own-2", 1));
    let other = two.name().to_owned();
    let sink = KafkaSink::<Pair>::builder()
        .bootstrap_servers(servers())
        .topic(one.name())
        .serializer(move |(name, n), event_time, record| {
            if *n == 0 {
                record.set_topic(&other);
                record.key_mut().extend_from_slice(name.as_bytes());
                record.set_tombstone();
                return Ok(());
            }
            record.set_partition(2);
            record.set_timestamp(event_time + 5);
            record.add_header("name", Some(name.as_bytes()));
            record.add_header("none", None);
            record.value_mut().extend_from_slice(&n.to_be_bytes());
            Ok(())
        })
        .build()
        .unwrap();
    let mut harness = open(sink);
    harness.push(("x".into(), 7), 100).unwrap();
    harness.push(("y".into(), 0), 100).unwrap();
    harness.push(("z".into(), 8), 200).unwrap();
    harness.end().unwrap();
    let records = one.read();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|m| m.partition() == 2 && m.key().is_none()));
    assert_eq!(records[0].payload(), Some(7u32.to_be_bytes().as_slice()));
    assert_eq!(records[0].timestamp().to_millis(), Some(105));
    assert_eq!(header(&records[0], "name").as_deref(), Some("x"));
    assert_eq!(header(&records[1], "name").as_deref(), Some("z"), "nothing is left over");
    let records = two.read();
    assert_eq!((records.len(), records[0].payload(), records[0].key()), (1, None, Some(&b"y"[..])));
}

#[test]
fn topics_by_record() {
    let (one, two) = (Topic::new("by-1", 1), Topic::new("by-2", 1));
    let names = [one.name().to_owned(), two.name().to_owned()];
    let sink = KafkaSink::<Pair>::builder()
        .bootstrap_servers(servers())
        .topic_by(|pair: &Pair| &pair.0)
        .value(|pair: &Pair, out| ser::json()(&pair.1, out));
    let mut harness = open(sink.build().unwrap());
    for n in 0..10 {
        harness.push((names[n as usize % 2].clone(), n), 0).unwrap();
    }
    harness.end().unwrap();
    let values = |topic: &Topic| {
        topic.read().iter().map(|m| text(m.payload()).unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((values(&one), values(&two)), ("0 2 4 6 8".into(), "1 3 5 7 9".into()));
}

#[test]
fn a_full_queue_holds_input_back_and_loses_nothing() {
    let topic = Topic::new("full", 1);
    let small =
        pairs(&topic).property("queue.buffering.max.messages", "500").property("linger.ms", "20");
    let mut harness = open(small.build().unwrap());
    let mut held_back = false;
    for start in (0..20_000u32).step_by(1000) {
        let deadline = Instant::now() + PATIENCE;
        while !harness.is_ready() {
            held_back = true;
            assert!(Instant::now() < deadline, "the queue never has room again");
            std::thread::sleep(Duration::from_millis(1));
            harness.processing_time(i64::from(start)).unwrap();
        }
        let rows = (start..start + 1000).map(|n| ("k".to_owned(), n)).collect::<Vec<_>>();
        harness.input(Batch::from(rows)).unwrap();
    }
    assert!(held_back, "500 places for batches of 1000");
    harness.snapshot(1).unwrap();
    let records = topic.read();
    assert_eq!(records.len(), 20_000);
    for (n, record) in records.iter().enumerate() {
        assert_eq!(text(record.payload()), Some(format!("[\"k\",{n}]")), "in order");
    }
    harness.end().unwrap();
}

#[test]
fn two_hundred_thousand_records_are_written_once_each() {
    let topic = Topic::new("many-out", 4);
    let mut harness = open(pairs(&topic).build().unwrap());
    for start in (0..200_000u32).step_by(1000) {
        let deadline = Instant::now() + PATIENCE;
        while !harness.is_ready() {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(1));
            harness.processing_time(i64::from(start)).unwrap();
        }
        let rows = (start..start + 1000).map(|n| (n.to_string(), n)).collect::<Vec<_>>();
        harness.input(Batch::from(rows)).unwrap();
        if start % 50_000 == 0 {
            harness.snapshot(u64::from(start)).unwrap();
        }
    }
    harness.end().unwrap();
    let mut keys: Vec<u32> =
        topic.read().iter().map(|m| text(m.key()).unwrap().parse().unwrap()).collect();
    keys.sort_unstable();
    assert!(keys.into_iter().eq(0..200_000));
}

#[test]
fn a_record_that_is_too_large_fails_by_name() {
    let topic = Topic::named(crate::broker::unique("large"), 1, &[("max.message.bytes", "1000")]);
    let sink = KafkaSink::<Pair>::builder()
        .bootstrap_servers(servers())
        .topic(topic.name())
        .property("compression.type", "none")
        .value(|pair: &Pair, out| ser::string()(&pair.0, out));
    let mut harness = open(sink.build().unwrap());
    harness.push(("x".repeat(5000), 0), 0).unwrap();
    let error = harness.snapshot(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let name = format!("5000 bytes is too large for topic '{}'", topic.name());
    assert!(error.to_string().contains(&name), "{error}");
    assert!(harness.snapshot(2).is_err(), "and stays failed");
    assert_eq!(harness.counter("numRecordsSendErrors").get(), 1);
}

#[test]
fn without_guarantee_barriers_do_not_fail_and_the_end_still_delivers() {
    let topic = Topic::named(crate::broker::unique("none"), 1, &[("max.message.bytes", "1000")]);
    let sink = KafkaSink::<Pair>::builder()
        .bootstrap_servers(servers())
        .topic(topic.name())
        .property("compression.type", "none")
        .property("linger.ms", "0")
        .delivery_guarantee(DeliveryGuarantee::None)
        .value(|pair: &Pair, out| ser::string()(&pair.0, out));
    let mut harness = open(sink.build().unwrap());
    harness.push(("x".repeat(5000), 0), 0).unwrap();
    harness.snapshot(1).unwrap();
    let errors = harness.counter("numRecordsSendErrors");
    let deadline = Instant::now() + PATIENCE;
    while errors.get() == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    harness.push(("small".into(), 0), 0).unwrap();
    harness.end().unwrap();
    assert_eq!(errors.get(), 1);
    assert_eq!(topic.read().len(), 1);
}
