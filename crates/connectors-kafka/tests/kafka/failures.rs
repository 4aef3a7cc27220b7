//! Errors before data flows, and while it does: each names what and what to do.

use crate::broker::{PATIENCE, Topic, numbers, plain, row, servers, source, unique};
use millstream_core::{Error, ErrorKind};
use millstream_kafka::{KafkaSink, KafkaSource, KafkaSourceBuilder, OffsetsInitializer, de, ser};
use millstream_runtime::SinkOperator;
use millstream_testkit::{OperatorHarness, SourceHarness};
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn refused<T: millstream_core::Data>(builder: KafkaSourceBuilder<T>) -> Error {
    SourceHarness::open(&builder.build().unwrap()).err().expect("the source does not start")
}

fn says(error: &Error, kind: ErrorKind, texts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for text in texts {
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn an_unknown_topic_is_named() {
    let name = unique("missing");
    let error = refused(source().topics([&name]));
    says(&error, ErrorKind::Config, &[&format!("topic '{name}' does not exist"), "create it"]);

    let topic = Topic::new("there", 1);
    let letters = numbers(&topic).dead_letter_topic(&name);
    says(&refused(letters), ErrorKind::Config, &["dead_letter_topic", &name]);

    let sink = KafkaSink::<String>::builder().bootstrap_servers(servers()).topic(&name);
    let sink = sink.value(ser::string()).build().unwrap();
    let opened = OperatorHarness::builder(SinkOperator::new(Arc::new(sink))).open();
    says(&opened.err().unwrap(), ErrorKind::Config, &[&name, "create it"]);
}

#[test]
fn a_topic_of_a_record_that_does_not_exist_fails_the_barrier() {
    let name = unique("missing-later");
    let sink = KafkaSink::<String>::builder()
        .bootstrap_servers(servers())
        .topic_by(|name: &String| name)
        .property("topic.metadata.propagation.max.ms", "100")
        .value(ser::string());
    let sink = Arc::new(sink.build().unwrap());
    let mut harness = OperatorHarness::builder(SinkOperator::new(sink)).open().unwrap();
    harness.push(name.clone(), 0).unwrap();
    let error = harness.snapshot(1).unwrap_err();
    says(&error, ErrorKind::Config, &[&format!("topic '{name}' does not exist")]);
}

#[test]
fn an_unreachable_broker_is_an_error_within_the_timeout() {
    let source = KafkaSource::builder()
        .bootstrap_servers("127.0.0.1:1")
        .topics(["any"])
        .connect_timeout(Duration::from_millis(600))
        .property("sasl.password", "hunter2hunter2")
        .deserializer(de::string());
    let error = refused(source);
    let texts = ["no Kafka broker answers at '127.0.0.1:1' within 600 ms", "bootstrap_servers"];
    says(&error, ErrorKind::Retry, &texts);
    assert!(!error.to_string().contains("hunter2"), "{error}");

    let sink = KafkaSink::<String>::builder()
        .bootstrap_servers("127.0.0.1:1")
        .connect_timeout(Duration::from_millis(600))
        .topic("any")
        .value(ser::string());
    let sink = SinkOperator::new(Arc::new(sink.build().unwrap()));
    says(&OperatorHarness::builder(sink).open().err().unwrap(), ErrorKind::Retry, &texts);
}

#[test]
fn a_refused_login_is_an_error_at_once_and_shows_no_password() {
    let topic = Topic::new("login", 1);
    let source = numbers(&topic)
        .connect_timeout(PATIENCE)
        .property("security.protocol", "sasl_plaintext")
        .property("sasl.mechanism", "PLAIN")
        .property("sasl.username", "somebody")
        .property("sasl.password", "hunter2hunter2");
    let error = refused(source);
    says(&error, ErrorKind::Config, &["refuse the login", "sasl.username"]);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn offsets_outside_of_the_partition_are_refused_by_name() {
    let topic = Topic::new("range", 2);
    topic.fill(0, 0..5);
    let at = |partition, offset| {
        numbers(&topic)
            .starting_offsets(OffsetsInitializer::offsets([((topic.name(), partition), offset)]))
    };
    let text = format!("offset 9 of topic '{}' partition 0 is not there", topic.name());
    says(&refused(at(0, 9)), ErrorKind::Config, &[&text, "holds 0 to 5"]);
    says(&refused(at(7, 0)), ErrorKind::Config, &["partition 7", "not among the partitions"]);
    topic.trim(0, 3);
    says(&refused(at(0, 1)), ErrorKind::Config, &["offset 1", "holds 3 to 5"]);
    // The user may accept the gap.
    let reset = at(0, 1).property("auto.offset.reset", "earliest").build().unwrap();
    let mut harness = SourceHarness::open(&reset).unwrap();
    assert!(harness.poll_records(PATIENCE, 2).unwrap());
    assert_eq!(plain(harness.take_output()), [(0, 3), (0, 4)]);
    harness.close().unwrap();
}

#[test]
fn a_restored_position_that_is_gone_is_refused_by_name() {
    let topic = Topic::new("retention", 1);
    topic.fill(0, 0..5);
    let source = numbers(&topic).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 5).unwrap());
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    topic.fill(0, 5..20);
    topic.trim(0, 12);
    let error = SourceHarness::builder(&source).restored(former.clone()).open().err().unwrap();
    says(&error, ErrorKind::Config, &["offset 5", "holds 12 to 20"]);
    topic.delete();
    let mut error = SourceHarness::builder(&source).restored(former.clone()).open().err();
    // Brokers learn of a deletion one after the other.
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if error.as_ref().is_some_and(|e| e.to_string().contains("does not exist")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        error = SourceHarness::builder(&source).restored(former.clone()).open().err();
    }
    says(&error.unwrap(), ErrorKind::Config, &[topic.name(), "does not exist"]);
}

#[test]
fn positions_of_a_former_topic_of_the_same_name_are_refused() {
    let topic = Topic::new("anew", 1);
    topic.fill(0, 0..5);
    let source = numbers(&topic).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 5).unwrap());
    let former = vec![harness.snapshot(1).unwrap()];
    harness.close().unwrap();
    topic.delete();
    let again = topic.create_again(1);
    // As many records as before, and more: the offset alone looks right.
    again.fill(0, 0..9);
    let error = SourceHarness::builder(&source).restored(former).open().err().unwrap();
    says(&error, ErrorKind::Config, &[topic.name(), "was deleted and created again"]);
}

fn deleted_while_running(builder: KafkaSourceBuilder<crate::broker::Row>, topic: &Topic) {
    topic.fill(0, 0..3);
    let source = builder.build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 3).unwrap());
    topic.delete();
    let error = harness.poll_until(PATIENCE, |_| false).unwrap_err();
    says(&error, ErrorKind::Config, &[topic.name(), "operator 'source'"]);
    harness.close().unwrap();
}

#[test]
fn a_topic_deleted_while_running_is_noticed_by_its_reader() {
    let topic = Topic::new("deleted", 1);
    deleted_while_running(numbers(&topic).partition_discovery(Duration::ZERO), &topic);
}

#[test]
fn a_topic_deleted_while_running_is_noticed_by_discovery() {
    let topic = Topic::new("deleted-pattern", 1);
    let pattern = source().topic_pattern(topic.name());
    deleted_while_running(pattern.partition_discovery(Duration::from_millis(100)), &topic);
}

#[test]
fn a_topic_made_anew_while_running_is_noticed_though_its_offsets_look_right() {
    let topic = Topic::new("anew-running", 1);
    topic.fill(0, 0..3);
    let source = numbers(&topic).partition_discovery(Duration::ZERO).build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_records(PATIENCE, 3).unwrap());
    topic.delete();
    let again = topic.create_again(1);
    again.fill(0, 0..9);
    let error = harness.poll_until(PATIENCE, |_| false).unwrap_err();
    says(&error, ErrorKind::Config, &[topic.name(), "deleted"]);
    harness.close().unwrap();
}

#[test]
fn brokers_that_come_back_are_waited_for_and_others_are_given_up() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("numbers", 1, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
    let put = |n: &str| {
        producer
            .send(BaseRecord::<str, str>::to("numbers").payload(n))
            .map_err(|(e, _)| e)
            .unwrap();
        producer.flush(PATIENCE).unwrap();
    };
    put("1");
    let open = |wait| {
        let source = KafkaSource::builder()
            .bootstrap_servers(&servers)
            .topics(["numbers"])
            .broker_unavailable_timeout(wait)
            .deserializer(row);
        SourceHarness::open(&source.build().unwrap()).unwrap()
    };
    let mut patient = open(PATIENCE);
    let mut hasty = open(Duration::from_millis(500));
    assert!(patient.poll_records(PATIENCE, 1).unwrap());
    assert!(hasty.poll_records(PATIENCE, 1).unwrap());
    cluster.broker_down(1).unwrap();
    let error = hasty.poll_until(PATIENCE, |_| false).unwrap_err();
    says(&error, ErrorKind::Retry, &["have been gone", "broker_unavailable_timeout", &servers]);
    hasty.close().unwrap();
    patient.poll().unwrap();
    cluster.broker_up(1).unwrap();
    put("2");
    assert!(patient.poll_records(PATIENCE, 2).unwrap());
    assert_eq!(plain(patient.take_output()), [(0, 1), (0, 2)]);
    patient.close().unwrap();
}
