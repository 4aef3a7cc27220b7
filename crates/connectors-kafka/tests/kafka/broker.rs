//! The broker that tests use, by plain client calls that are not under test.

use futures_executor::block_on;
use millstream_core::NO_TIMESTAMP;
use millstream_kafka::{KafkaRecord, KafkaSource, KafkaSourceBuilder, OffsetsInitializer, de};
use millstream_testkit::SourceHarness;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn servers() -> String {
    static SERVERS: OnceLock<String> = OnceLock::new();
    let servers = SERVERS.get_or_init(|| {
        let servers = std::env::var("MILLSTREAM_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".into());
        let probe: BaseConsumer = config(&servers).create().unwrap();
        if let Err(e) = probe.fetch_metadata(Some("none"), Duration::from_secs(30)) {
            panic!(
                "no Kafka answers at {servers} ({e}): run `scripts/kafka start`, or set \
                 MILLSTREAM_KAFKA to host:port of one that runs"
            );
        }
        servers
    });
    servers.clone()
}

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "millstream-tests");
    config
}

fn admin() -> AdminClient<DefaultClientContext> {
    config(&servers()).create().unwrap()
}

/// A name that no other test or run uses.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let run = std::process::id();
    let started = Instant::now();
    let salt = std::ptr::from_ref(&started) as usize as u32;
    format!("mt-{name}-{run}-{salt:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a topic at another broker.
pub(crate) fn create_at(servers: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(servers).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    let made = block_on(admin.create_topics([&topic], &options)).unwrap();
    made.into_iter().for_each(|result| {
        result.unwrap();
    });
}

/// A topic that is deleted at the end of the test.
pub(crate) struct Topic(pub(crate) String);

impl Topic {
    pub(crate) fn new(name: &str, partitions: i32) -> Topic {
        Self::named(unique(name), partitions, &[])
    }
    pub(crate) fn named(name: String, partitions: i32, settings: &[(&str, &str)]) -> Topic {
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let made = block_on(admin().create_topics([&topic], &options)).unwrap();
        made.into_iter().for_each(|result| {
            result.unwrap();
        });
        Topic(name)
    }
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
    pub(crate) fn grow(&self, partitions: usize) {
        let grown = NewPartitions::new(&self.0, partitions);
        let done = block_on(admin().create_partitions([&grown], &AdminOptions::new())).unwrap();
        done.into_iter().for_each(|result| {
            result.unwrap();
        });
    }
    pub(crate) fn delete(&self) {
        let deleted = block_on(admin().delete_topics(&[&self.0], &AdminOptions::new())).unwrap();
        deleted.into_iter().for_each(|result| {
            result.unwrap();
        });
    }
    /// Makes a deleted topic anew, as soon as its name is free.
    pub(crate) fn create_again(&self, partitions: i32) -> Topic {
        let deadline = Instant::now() + PATIENCE;
        let topic = NewTopic::new(&self.0, partitions, TopicReplication::Fixed(1));
        loop {
            let made = block_on(admin().create_topics([&topic], &AdminOptions::new())).unwrap();
            if made.iter().all(Result::is_ok) {
                return Topic(self.0.clone());
            }
            assert!(Instant::now() < deadline, "{made:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    /// Deletes the records before `offset`.
    pub(crate) fn trim(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.0, partition, Offset::Offset(offset)).unwrap();
        block_on(admin().delete_records(&list, &AdminOptions::new())).unwrap();
    }
    /// Writes values `range`, as text, to one partition; value n has timestamp 1000 (n + 1).
    pub(crate) fn fill(&self, partition: i32, range: std::ops::Range<u32>) {
        let producer = Plain::new();
        for n in range {
            producer.send(
                BaseRecord::to(&self.0)
                    .partition(partition)
                    .key(&format!("k{n}"))
                    .payload(&n.to_string())
                    .timestamp(1000 * (i64::from(n) + 1)),
            );
        }
    }
    /// Writes raw values to one partition.
    pub(crate) fn put(&self, partition: i32, values: &[&[u8]]) {
        let producer = Plain::new();
        for value in values {
            producer.send(
                BaseRecord::<[u8], [u8]>::to(&self.0)
                    .partition(partition)
                    .key(b"key")
                    .payload(*value),
            );
        }
    }
    /// Reads all records of all partitions, by partition and offset.
    pub(crate) fn read(&self) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = config(&servers()).create().unwrap();
        let metadata = consumer.fetch_metadata(Some(&self.0), PATIENCE).unwrap();
        let partitions = metadata.topics()[0].partitions();
        let mut list = TopicPartitionList::new();
        let mut left = 0;
        for partition in partitions {
            let (low, high) = consumer.fetch_watermarks(&self.0, partition.id(), PATIENCE).unwrap();
            left += high - low;
            list.add_partition_offset(&self.0, partition.id(), Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut all = Vec::new();
        while left > 0 {
            let message = consumer.poll(PATIENCE).expect("a record in time").unwrap();
            all.push(message.detach());
            left -= 1;
        }
        all.sort_by_key(|m| (m.partition(), m.offset()));
        all
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // May be gone already: some tests delete it.
        let _ = block_on(admin().delete_topics(&[&self.0], &AdminOptions::new()));
    }
}

/// A producer that waits for everything when dropped.
pub(crate) struct Plain(BaseProducer);

impl Plain {
    pub(crate) fn new() -> Self {
        Plain(config(&servers()).set("linger.ms", "5").create().unwrap())
    }
    pub(crate) fn send<K, P>(&self, record: BaseRecord<'_, K, P>)
    where
        K: rdkafka::message::ToBytes + ?Sized,
        P: rdkafka::message::ToBytes + ?Sized,
    {
        let mut record = record;
        while let Err((error, again)) = self.0.send(record) {
            let full = Some(rdkafka::error::RDKafkaErrorCode::QueueFull);
            assert_eq!(error.rdkafka_error_code(), full, "{error}");
            self.0.poll(Duration::from_millis(10));
            record = again;
        }
        self.0.poll(Duration::ZERO);
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.0.flush(PATIENCE).unwrap();
    }
}

pub(crate) fn headers(list: &[(&str, Option<&[u8]>)]) -> OwnedHeaders {
    list.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: *value })
    })
}

/// A header of a message that was read, as text.
pub(crate) fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let found = headers.iter().find(|h| h.key == name)?;
    found.value.map(|v| String::from_utf8_lossy(v).into_owned())
}

/// The number in a record, with where it was.
pub(crate) type Row = (String, i32, i64, u32);

pub(crate) fn row(record: &KafkaRecord<'_>) -> millstream_core::Result<Option<Row>> {
    let read = de::json::<u32>()(record)?;
    Ok(read.map(|n| (record.topic.to_owned(), record.partition, record.offset, n)))
}

pub(crate) fn source() -> KafkaSourceBuilder<Row> {
    KafkaSource::builder().bootstrap_servers(servers()).connect_timeout(PATIENCE).deserializer(row)
}

pub(crate) fn numbers(of: &Topic) -> KafkaSourceBuilder<Row> {
    source().topics([of.name()])
}

/// Everything that a bounded source reads, as (partition, number), sorted.
pub(crate) fn read_all(builder: KafkaSourceBuilder<Row>) -> Vec<(i32, u32)> {
    let source = builder.build().unwrap();
    let mut harness = SourceHarness::open(&source).unwrap();
    assert!(harness.poll_to_end(PATIENCE).unwrap(), "the source ends");
    let rows = plain(harness.take_output());
    harness.close().unwrap();
    rows
}

pub(crate) fn plain(rows: Vec<(Row, i64)>) -> Vec<(i32, u32)> {
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|((_, partition, _, n), timestamp)| {
            assert!(timestamp != NO_TIMESTAMP);
            (partition, n)
        })
        .collect();
    rows.sort_unstable();
    rows
}

pub(crate) fn of_partition(partition: i32, range: std::ops::Range<u32>) -> Vec<(i32, u32)> {
    range.map(|n| (partition, n)).collect()
}

pub(crate) fn to_latest(builder: KafkaSourceBuilder<Row>) -> KafkaSourceBuilder<Row> {
    builder.bounded(OffsetsInitializer::latest())
}
