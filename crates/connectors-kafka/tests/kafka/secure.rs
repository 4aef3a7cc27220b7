//! Encrypted connections and logins, on the broker that `scripts/kafka-secure` starts.
//!
//! Ignored otherwise: the script says where the broker is, which certificate it has and
//! which password it takes.

use crate::broker::{PATIENCE, unique};
use futures_executor::block_on;
use millstream_core::ErrorKind;
use millstream_kafka::{KafkaSink, KafkaSource, OffsetsInitializer, de, ser};
use millstream_runtime::SinkOperator;
use millstream_testkit::{OperatorHarness, SourceHarness};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::sync::Arc;

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("run scripts/kafka-secure ({name} is not set)"))
}

type Login = Vec<(&'static str, String)>;

fn login(encrypted: bool, mechanism: &str) -> Login {
    let mut login = vec![
        ("sasl.mechanism", mechanism.to_owned()),
        ("sasl.username", "tester".to_owned()),
        ("sasl.password", given("MILLSTREAM_KAFKA_PASSWORD")),
    ];
    match encrypted {
        true => {
            login.push(("security.protocol", "SASL_SSL".to_owned()));
            login.push(("ssl.ca.location", given("MILLSTREAM_KAFKA_CA")));
        }
        false => login.push(("security.protocol", "SASL_PLAINTEXT".to_owned())),
    }
    login
}

fn create(servers: &str, login: &Login) -> String {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    login.iter().for_each(|(name, value)| {
        config.set(*name, value);
    });
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let topic = unique("secure");
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    let made = block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    made.into_iter().for_each(|result| {
        result.unwrap();
    });
    topic
}

/// Writes and reads one record with this login.
fn there_and_back(servers: &str, login: &Login) {
    let topic = create(servers, login);
    let mut sink = KafkaSink::builder()
        .bootstrap_servers(servers)
        .connect_timeout(PATIENCE)
        .topic(&topic)
        .value(ser::string());
    let mut source = KafkaSource::builder()
        .bootstrap_servers(servers)
        .connect_timeout(PATIENCE)
        .topics([&topic])
        .bounded(OffsetsInitializer::latest())
        .deserializer(de::string());
    for (name, value) in login {
        sink = sink.property(*name, value);
        source = source.property(*name, value);
    }
    let sink = Arc::new(sink.build().unwrap());
    let mut harness = OperatorHarness::builder(SinkOperator::new(sink)).open().unwrap();
    harness.push("secret".to_owned(), 77).unwrap();
    harness.end().unwrap();
    let mut harness = SourceHarness::open(&source.build().unwrap()).unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap());
    assert_eq!(harness.take_output(), [("secret".to_owned(), 77)]);
    harness.close().unwrap();
}

fn refused(servers: &str, login: &Login) -> millstream_core::Error {
    let mut source = KafkaSource::builder()
        .bootstrap_servers(servers)
        .topics(["any"])
        .connect_timeout(PATIENCE)
        .deserializer(de::string());
    for (name, value) in login {
        source = source.property(*name, value);
    }
    SourceHarness::open(&source.build().unwrap()).err().unwrap()
}

#[test]
#[ignore = "needs the broker of scripts/kafka-secure"]
fn records_go_there_and_back_over_encrypted_connections() {
    let servers = given("MILLSTREAM_KAFKA_SECURE");
    there_and_back(&servers, &login(true, "PLAIN"));
    there_and_back(&servers, &login(true, "SCRAM-SHA-256"));
}

#[test]
#[ignore = "needs the broker of scripts/kafka-secure"]
fn a_plain_login_needs_no_encryption() {
    there_and_back(&given("MILLSTREAM_KAFKA_LOGIN"), &login(false, "PLAIN"));
}

#[test]
#[ignore = "needs the broker of scripts/kafka-secure"]
fn wrong_passwords_are_refused_at_once_and_not_shown() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let mut wrong = login(true, mechanism);
        wrong.retain(|(name, _)| *name != "sasl.password");
        wrong.push(("sasl.password", "hunter2hunter2".to_owned()));
        let error = refused(&given("MILLSTREAM_KAFKA_SECURE"), &wrong);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("refuse the login"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
#[ignore = "needs the broker of scripts/kafka-secure"]
fn a_certificate_that_nobody_trusts_is_named() {
    let mut untrusting = login(true, "PLAIN");
    untrusting.retain(|(name, _)| *name != "ssl.ca.location");
    let mut source = KafkaSource::builder()
        .bootstrap_servers(given("MILLSTREAM_KAFKA_SECURE"))
        .topics(["any"])
        .connect_timeout(std::time::Duration::from_secs(10))
        .deserializer(de::string());
    for (name, value) in &untrusting {
        source = source.property(*name, value);
    }
    let error = SourceHarness::open(&source.build().unwrap()).err().unwrap().to_string();
    assert!(error.contains("certificate"), "{error}");
}
