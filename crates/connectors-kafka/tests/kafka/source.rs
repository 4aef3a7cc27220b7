//! Records, refused records, and partitions that come while the source runs.

use crate::broker::{
    PATIENCE, Plain, Topic, header, headers, numbers, of_partition, plain, read_all, row, servers,
    source, to_latest, unique,
};
use millstream_core::ErrorKind;
use millstream_kafka::{KafkaRecord, KafkaSource, OffsetsInitializer, ParsePolicy, de};
use millstream_runtime::WatermarkStrategy;
use millstream_testkit::{Event, SourceHarness};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use std::time::{Duration, Instant};

/// How often tests look for partitions.
const SOON: Duration = Duration::from_millis(100);

#[test]
fn keys_headers_timestamps_and_tombstones_arrive() {
    let topic = Topic::new("records", 1);
    let producer = Plain::new();
    let list: &[(&str, Option<&[u8]>)] =
        &[("trace", Some(b"1")), ("empty", None), ("trace", Some(b"2"))];
    producer.send(
        BaseRecord::to(topic.name()).key("k").payload("v").timestamp(1234).headers(headers(list)),
    );
    producer.send(BaseRecord::<str, str>::to(topic.name()).key("gone").timestamp(2345));
    producer.send(BaseRecord::<str, str>::to(topic.name()).payload("").timestamp(3456));
    drop(producer);
    let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
    let show = move |record: &KafkaRecord<'_>| {
        let headers: Vec<_> =
            record.headers.iter().map(|(n, v)| (n.into_owned(), text(v))).collect();
        let last = text(record.headers.last("trace"));
        Ok(Some(format!(
            "{}@{} {:?} {:?} {headers:?} {last:?}",
            record.offset,
            record.timestamp,
            text(record.key),
            text(record.value)
        )))
    };
    let builder = || KafkaSource::builder().bootstrap_servers(servers()).topics([topic.name()]);
    let source =
        builder().deserializer(show).bounded(OffsetsInitializer::latest()).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert_eq!(
        harness.take_output(),
        [
            (
                r#"0@1234 Some("k") Some("v") [("trace", Some("1")), ("empty", None), ("trace", Some("2"))] Some("2")"#
                    .to_owned(),
                1234
            ),
            (r#"1@2345 Some("gone") None [] None"#.to_owned(), 2345),
            (r#"2@3456 None Some("") [] None"#.to_owned(), 3456),
        ]
    );
    harness.close().unwrap();

    // Value-only deserializers drop tombstones without counting an error.
    let builder = KafkaSource::builder().bootstrap_servers(servers()).topics([topic.name()]);
    let source = builder.deserializer(de::string()).bounded(OffsetsInitializer::latest());
    let mut harness = SourceHarness::open(&source.build().unwrap()).unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert_eq!(harness.take_output(), [("v".to_owned(), 1234), (String::new(), 3456)]);
    assert_eq!(harness.counter("numRecordsInErrors").get(), 0);
    harness.close().unwrap();
}

#[test]
fn a_pattern_reads_all_matching_topics_also_later_ones() {
    let prefix = unique("pattern");
    let first = Topic::named(format!("{prefix}-a"), 1, &[]);
    first.fill(0, 0..3);
    let by_pattern = || source().topic_pattern(format!("{prefix}-.*"));
    let rows = read_all(to_latest(by_pattern()));
    assert_eq!(rows, of_partition(0, 0..3));

    let latest = by_pattern().starting_offsets(OffsetsInitializer::latest());
    let source = latest.partition_discovery(SOON).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let second = Topic::named(format!("{prefix}-b"), 2, &[]);
    second.fill(1, 10..14);
    assert!(harness.poll_records(PATIENCE, 4).unwrap());
    let rows = harness.take_output();
    assert!(rows.iter().all(|((topic, ..), _)| topic == second.name()));
    assert_eq!(plain(rows), of_partition(1, 10..14));
    // Positions of topics that were found later are stored like the others.
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    let mut harness = SourceHarness::builder(&source).restored(former).open().unwrap();
    second.fill(0, 20..22);
    assert!(harness.poll_records(PATIENCE, 2).unwrap());
    assert_eq!(plain(harness.take_output()), of_partition(0, 20..22));
    harness.close().unwrap();
}

#[test]
fn a_pattern_that_matches_nothing_waits_for_topics_when_it_can() {
    let prefix = unique("nothing");
    let by_pattern = || source().topic_pattern(format!("{prefix}-.*"));
    let source = by_pattern().partition_discovery(SOON).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let topic = Topic::named(format!("{prefix}-late"), 1, &[]);
    topic.fill(0, 0..2);
    assert!(harness.poll_records(PATIENCE, 2).unwrap());
    assert_eq!(plain(harness.take_output()), of_partition(0, 0..2));
    harness.close().unwrap();

    let other = unique("never");
    for builder in [
        to_latest(crate::broker::source().topic_pattern(&other)),
        crate::broker::source().topic_pattern(&other).partition_discovery(Duration::ZERO),
    ] {
        let error = SourceHarness::open(&builder.build().unwrap()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(&format!("'{other}' matches no topic")), "{error}");
    }
}

#[test]
fn a_full_inbox_loses_no_partition_and_keeps_the_order() {
    // Which partition is fetched first is up to the broker; that those with records take
    // turns is tested beside the fetcher.
    const RECORDS: u32 = 30_000;
    let topic = Topic::new("turns", 3);
    for partition in 0..3 {
        topic.fill(partition, 0..RECORDS);
    }
    let source = to_latest(numbers(&topic)).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let mut next = [0; 3];
    let deadline = Instant::now() + PATIENCE;
    while !harness.has_ended() {
        assert!(Instant::now() < deadline, "{next:?}");
        // The task takes one batch at a time, so the inbox is full in between.
        harness.poll().unwrap();
        for ((_, partition, _, n), _) in harness.take_output() {
            let next = &mut next[partition as usize];
            assert_eq!(n, *next, "partition {partition}");
            *next += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(next, [RECORDS; 3]);
    harness.close().unwrap();
}

#[test]
fn a_partition_added_while_running_is_read_from_its_beginning_by_its_owner() {
    let topic = Topic::new("added", 1);
    topic.fill(0, 0..3);
    let latest = numbers(&topic).starting_offsets(OffsetsInitializer::latest());
    let source = latest.partition_discovery(SOON).build().unwrap();
    let open = |index| SourceHarness::builder(&source).subtask(index, 2).open().unwrap();
    let mut harnesses = [open(0), open(1)];
    topic.grow(4);
    for partition in 0..4 {
        topic.fill(partition, 100..150);
    }
    let mut rows = Vec::new();
    for harness in &mut harnesses {
        assert!(harness.poll_records(PATIENCE, 100).unwrap());
    }
    for harness in &mut harnesses {
        harness.poll_records(3 * SOON, usize::MAX).unwrap();
        let mine = plain(harness.take_output());
        assert_eq!(mine.len(), 100, "two of four partitions");
        rows.extend(mine);
    }
    rows.sort_unstable();
    let all: Vec<_> = (0..4).flat_map(|partition| of_partition(partition, 100..150)).collect();
    assert_eq!(rows, all);
    harnesses.into_iter().for_each(|harness| harness.close().unwrap());
}

const MIXED: [&[u8]; 5] = [b"1", b"not a number", b"2", b"\xff\xfe", b"3"];

#[test]
fn a_record_that_cannot_be_read_fails_by_name() {
    let topic = Topic::new("fail", 1);
    topic.put(0, &MIXED);
    let source = to_latest(numbers(&topic)).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let error = harness.poll_to_end(PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let text = error.to_string();
    let place = format!("topic '{}' partition 0 offset 1", topic.name());
    assert!(text.contains(&place) && text.contains("ParsePolicy::Skip"), "{text}");
    assert!(!text.contains("not a number"), "contents are not shown: {text}");
    // What came before is out, and the position is at the bad record.
    assert_eq!(plain(harness.take_output()), [(0, 1)]);
    assert_eq!(harness.counter("numRecordsInErrors").get(), 1);
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    let skipping = to_latest(numbers(&topic)).on_parse_error(ParsePolicy::Skip).build().unwrap();
    let mut harness = SourceHarness::builder(&skipping).restored(former).open().unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert_eq!(plain(harness.take_output()), [(0, 2), (0, 3)]);
    harness.close().unwrap();
}

#[test]
fn skipped_records_are_counted() {
    let topic = Topic::new("skip", 1);
    topic.put(0, &MIXED);
    let source = to_latest(numbers(&topic)).on_parse_error(ParsePolicy::Skip).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert_eq!(plain(harness.take_output()), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(harness.counter("numRecordsInErrors").get(), 2);
    assert_eq!(harness.counter("numRecordsSkipped").get(), 2);
    harness.close().unwrap();
}

#[test]
fn dead_letters_hold_the_record_and_what_went_wrong() {
    let topic = Topic::new("letters", 1);
    let dead = Topic::new("dead", 1);
    topic.put(0, &MIXED);
    let producer = Plain::new();
    let list: &[(&str, Option<&[u8]>)] = &[("own", Some(b"kept"))];
    let bad = BaseRecord::<str, str>::to(topic.name()).payload("{").timestamp(77);
    producer.send(bad.headers(headers(list)));
    drop(producer);
    let source = numbers(&topic).dead_letter_topic(dead.name()).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 3).unwrap());
    // The snapshot waits for the letters of what it covers.
    let state = harness.snapshot(1).unwrap();
    assert_eq!(harness.counter("numRecordsInErrors").get(), 3);
    assert_eq!(harness.counter("numDeadLetters").get(), 3);
    let letters = dead.read();
    let payloads: Vec<_> = letters.iter().map(|m| m.payload().unwrap()).collect();
    assert_eq!(payloads, [b"not a number".as_slice(), b"\xff\xfe", b"{"]);
    assert_eq!(letters[0].key(), Some(b"key".as_slice()));
    assert_eq!(letters[2].key(), None);
    assert_eq!(header(&letters[0], "millstream.topic").as_deref(), Some(topic.name()));
    assert_eq!(header(&letters[0], "millstream.partition").as_deref(), Some("0"));
    assert_eq!(header(&letters[0], "millstream.offset").as_deref(), Some("1"));
    let why = header(&letters[0], "millstream.error").unwrap();
    assert!(why.contains("not the expected JSON"), "{why}");
    assert_eq!(header(&letters[2], "own").as_deref(), Some("kept"));
    assert_eq!(letters[2].timestamp().to_millis(), Some(77));
    harness.close().unwrap();
    // Covered by the snapshot: not written again.
    let source = to_latest(numbers(&topic)).dead_letter_topic(dead.name());
    let source = source.build().unwrap();
    let mut harness = SourceHarness::builder(&source).restored(vec![state]).open().unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert!(harness.take_output().is_empty());
    harness.close().unwrap();
    assert_eq!(dead.read().len(), 3);
}

#[test]
fn a_deserializer_that_panics_ends_the_attempt_and_hangs_nobody() {
    let topic = Topic::new("panic", 1);
    topic.fill(0, 0..3);
    let source = KafkaSource::builder()
        .bootstrap_servers(servers())
        .topics([topic.name()])
        .deserializer(|record: &KafkaRecord<'_>| match record.offset {
            2 => panic!("no record 2 please"),
            _ => row(record),
        })
        .build()
        .unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    let error = harness.poll_to_end(PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserCode);
    assert!(error.to_string().contains("no record 2 please"), "{error}");
    assert!(harness.poll().is_err(), "and stays failed");
    harness.close().unwrap();
}

#[test]
fn an_empty_partition_holds_event_time_until_it_is_idle() {
    let topic = Topic::new("idle", 2);
    topic.fill(0, 1..11);
    let source = numbers(&topic).build().unwrap();
    let strategy =
        WatermarkStrategy::for_monotonous_timestamps().with_idleness(Duration::from_secs(30));
    let mut harness = SourceHarness::builder(&source).watermarks(strategy).open().unwrap();
    let is_record = |e: &Event<_>| matches!(e, Event::Record(..));
    assert!(harness.poll_records(PATIENCE, 10).unwrap());
    harness.processing_time(10_000).unwrap();
    assert!(harness.take_events().iter().all(is_record), "partition 1 may still have records");
    topic.fill(0, 11..12);
    assert!(harness.poll_records(PATIENCE, 1).unwrap());
    // Idleness counts while the reader is asked and has nothing.
    for now_ms in (20_000..80_000).step_by(5_000) {
        harness.processing_time(now_ms).unwrap();
        harness.poll().unwrap();
    }
    let text = harness.take_text();
    assert!(text.iter().any(|line| line == "watermark 11999"), "{text:?}");
    harness.close().unwrap();
}

#[test]
fn splits_that_are_ahead_are_paused_and_go_on_where_they_were() {
    // Several times what may be on its way when a split is paused.
    const RECORDS: u32 = 60_000;
    let topic = Topic::new("align", 2);
    topic.fill(1, 0..RECORDS);
    let source = numbers(&topic).build().unwrap();
    let strategy = WatermarkStrategy::for_monotonous_timestamps().with_watermark_alignment(
        "group",
        Duration::from_secs(10),
        Duration::from_millis(1),
    );
    let builder = SourceHarness::builder(&source).watermarks(strategy);
    let mut harness = builder.auto_watermark_interval_ms(0).open().unwrap();
    let mut now = 0;
    let mut step = |harness: &mut SourceHarness<_>| {
        now += 10;
        harness.processing_time(now).unwrap();
        harness.poll_until(Duration::from_millis(5), |_| true).unwrap();
        harness.take_output().len()
    };
    // The empty partition is at the beginning of time, so the other must wait.
    let mut count = 0;
    for _ in 0..400 {
        count += step(&mut harness);
    }
    assert!(count < RECORDS as usize, "it did not wait: {count}");
    topic.fill(0, 0..RECORDS);
    let deadline = Instant::now() + 2 * PATIENCE;
    while count < 2 * RECORDS as usize {
        assert!(Instant::now() < deadline, "{count}");
        count += step(&mut harness);
    }
    assert_eq!(count, 2 * RECORDS as usize);
    harness.close().unwrap();
}
