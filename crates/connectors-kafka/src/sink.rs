//! The sink: its builder, and the writer of one subtask.
//!
//! At the end of a chain: records are serialized into reused buffers, queued with
//! librdkafka, and sent in the background.
//!
//! Invariants: at a barrier every record before it is acknowledged by all in-sync
//! replicas, or the attempt fails by name; a record that finds the queue full waits
//! in the writer, and the chain gets no more input until it is gone.

use crate::producer::{Producer, Sent, Surroundings, defaults};
use crate::properties::Properties;
use crate::record::ProducerRecord;
use crate::transactions::committer::KafkaCommitter;
use crate::transactions::settings::Settings;
use crate::transactions::writer::TransactionalWriter;
use millstream_core::{Batch, Clock, Data, Error, EventTime, NO_TIMESTAMP, Result};
use millstream_runtime::{Committer, CommitterContext, Counter, OperatorContext, Sink, SinkWriter};
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// What the sink promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// Records may be lost when a broker fails, and are then only counted in
    /// `numRecordsSendErrors`. Barriers do not wait.
    None,
    /// Nothing is lost; after a failure records since the last checkpoint come twice.
    #[default]
    AtLeastOnce,
    /// Nothing is lost and nothing comes twice, for readers with `isolation.level`
    /// `read_committed`. Every epoch is a Kafka transaction that is committed when its
    /// checkpoint is complete: readers see records at the pace of checkpoints. Needs
    /// checkpoints, [`KafkaSinkBuilder::transactional_id_prefix`], and a restart within
    /// [`KafkaSinkBuilder::transaction_timeout`] of a failure.
    ExactlyOnce,
}

type Serialize<T> =
    Arc<dyn Fn(&T, EventTime, &mut ProducerRecord) -> Result<()> + Send + Sync + 'static>;
type Part<T> = Box<dyn Fn(&T, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static>;
type Topic<T> = Box<dyn for<'a> Fn(&'a T) -> &'a str + Send + Sync + 'static>;

/// Writes records to Kafka.
///
/// The event time of a record becomes its Kafka timestamp; records with equal keys go
/// to the partition to which Java's clients send them.
///
/// ```
/// use millstream_kafka::{DeliveryGuarantee, KafkaSink, ser};
///
/// let sink = KafkaSink::builder()
///     .bootstrap_servers("127.0.0.1:9092")
///     .topic("counts")
///     .key(|count: &(String, u64), out| ser::string()(&count.0, out))
///     .value(ser::json())
///     .delivery_guarantee(DeliveryGuarantee::AtLeastOnce)
///     .build()?;
/// # let _: KafkaSink<(String, u64)> = sink;
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub struct KafkaSink<T> {
    properties: Properties,
    topic: Option<String>,
    serialize: Serialize<T>,
    guarantee: DeliveryGuarantee,
    connect_timeout: Duration,
    transactions: Settings,
}

impl<T: Data> KafkaSink<T> {
    /// Sets a sink up.
    pub fn builder() -> KafkaSinkBuilder<T> {
        KafkaSinkBuilder {
            properties: Properties::default(),
            topic: None,
            topic_by: None,
            key: None,
            value: None,
            serializer: None,
            guarantee: DeliveryGuarantee::default(),
            connect_timeout: Duration::from_secs(10),
            transactions: Settings::default(),
            of: PhantomData,
        }
    }
}

#[cfg(test)]
impl<T> KafkaSink<T> {
    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }
}

impl<T> fmt::Debug for KafkaSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("topic", &self.topic)
            .field("guarantee", &self.guarantee)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// See [`KafkaSink::builder`].
pub struct KafkaSinkBuilder<T> {
    properties: Properties,
    topic: Option<String>,
    topic_by: Option<Topic<T>>,
    key: Option<Part<T>>,
    value: Option<Part<T>>,
    serializer: Option<Serialize<T>>,
    guarantee: DeliveryGuarantee,
    connect_timeout: Duration,
    transactions: Settings,
    of: PhantomData<fn(T)>,
}

impl<T: Data> KafkaSinkBuilder<T> {
    /// Addresses of one or more brokers: `host:port`, separated by commas.
    pub fn bootstrap_servers(mut self, servers: impl Into<String>) -> Self {
        self.properties.set("bootstrap.servers", servers);
        self
    }
    /// The topic; it must exist.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }
    /// The topic of each record; all must exist when they are first written to.
    pub fn topic_by(
        mut self,
        topic: impl for<'a> Fn(&'a T) -> &'a str + Send + Sync + 'static,
    ) -> Self {
        self.topic_by = Some(Box::new(topic));
        self
    }
    /// Writes the key; records have none otherwise. See [`ser`](crate::ser).
    pub fn key(
        mut self,
        key: impl Fn(&T, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.key = Some(Box::new(key));
        self
    }
    /// Writes the value. See [`ser`](crate::ser).
    pub fn value(
        mut self,
        value: impl Fn(&T, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.value = Some(Box::new(value));
        self
    }
    /// Fills in the whole record: topic, partition, key, value, headers, timestamp;
    /// in place of `key`, `value` and `topic_by`.
    ///
    /// ```
    /// use millstream_kafka::KafkaSink;
    /// let sink = KafkaSink::<(String, u64)>::builder()
    ///     .bootstrap_servers("127.0.0.1:9092")
    ///     .topic("counts")
    ///     .serializer(|(user, count), _event_time, record| {
    ///         record.key_mut().extend_from_slice(user.as_bytes());
    ///         record.add_header("kind", Some(b"count"));
    ///         match count {
    ///             0 => record.set_tombstone(),
    ///             n => record.value_mut().extend_from_slice(n.to_string().as_bytes()),
    ///         }
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    pub fn serializer(
        mut self,
        serialize: impl Fn(&T, EventTime, &mut ProducerRecord) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.serializer = Some(Arc::new(serialize));
        self
    }
    /// What is promised; at least once when not called.
    pub fn delivery_guarantee(mut self, guarantee: DeliveryGuarantee) -> Self {
        self.guarantee = guarantee;
        self
    }
    /// For [`DeliveryGuarantee::ExactlyOnce`]: how the ids of this sink's transactions begin.
    /// No other job or sink that writes to this Kafka cluster may use it; keep it for the life
    /// of the job, so that a restart can end what a crash has left open.
    pub fn transactional_id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.transactions.prefix = prefix.into();
        self
    }
    /// For [`DeliveryGuarantee::ExactlyOnce`]: after this time the brokers abort an open
    /// transaction; 15 minutes when not called, which is also the brokers' default limit
    /// (`transaction.max.timeout.ms`). Records of a completed checkpoint are lost when the job
    /// is down for longer; the restart then says so. After a crash readers wait for the
    /// restart, or for this time.
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.transactions.timeout = timeout;
        self
    }
    /// For [`DeliveryGuarantee::ExactlyOnce`]: the time that a restart may take, 2 minutes when
    /// not called. A transaction timeout below checkpoint interval + checkpoint timeout + this
    /// is refused.
    pub fn recovery_time(mut self, time: Duration) -> Self {
        self.transactions.recovery = time;
        self
    }
    /// For [`DeliveryGuarantee::ExactlyOnce`]: the topic that remembers which transactions were
    /// committed; `<prefix>.ledger` when not called. Made when it is missing; never delete it
    /// while checkpoints of the job exist.
    pub fn ledger_topic(mut self, topic: impl Into<String>) -> Self {
        self.transactions.ledger = Some(topic.into());
        self
    }
    /// For [`DeliveryGuarantee::ExactlyOnce`]: goes on when a restored checkpoint names
    /// transactions that were aborted meanwhile. Their records are lost; each is logged as an
    /// error. Without it the job refuses to start.
    pub fn skip_lost_transactions(mut self, skip: bool) -> Self {
        self.transactions.skip_lost = skip;
        self
    }
    /// How long a starting writer waits for a broker; 10 s when not called.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }
    /// A property of librdkafka. Values of properties that are not known to be harmless
    /// are never shown.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    pub fn build(mut self) -> Result<KafkaSink<T>> {
        let mut managed = vec![
            ("transactional.id", "use transactional_id_prefix with DeliveryGuarantee::ExactlyOnce"),
            ("transaction.timeout.ms", "use transaction_timeout"),
        ];
        let exactly_once = self.guarantee == DeliveryGuarantee::ExactlyOnce;
        if exactly_once {
            managed.push(("enable.idempotence", "exactly once needs it, and sets it"));
        } else if !self.transactions.prefix.is_empty() {
            return Err(Error::config("transactional_id_prefix without ExactlyOnce").advice(
                "add delivery_guarantee(DeliveryGuarantee::ExactlyOnce), or leave it out",
            ));
        }
        if self.guarantee != DeliveryGuarantee::None {
            let advice = "both guarantees need all in-sync replicas; to write with fewer, use \
                          delivery_guarantee(DeliveryGuarantee::None)";
            managed.extend([("acks", advice), ("request.required.acks", advice)]);
        }
        self.properties.validate(&managed)?;
        let serialize = self.serialize()?;
        if self.guarantee == DeliveryGuarantee::AtLeastOnce {
            self.properties.set_default(&["enable.idempotence"], "true");
        }
        if exactly_once {
            self.transactions.validate(&self.properties)?;
            let timeout_ms = self.transactions.timeout.as_millis();
            self.properties.set("transaction.timeout.ms", timeout_ms.to_string());
            // librdkafka wants deliveries to end before their transaction does.
            let delivery_ms = timeout_ms.min(120_000).to_string();
            let names = ["delivery.timeout.ms", "message.timeout.ms"];
            self.properties.set_default(&names, delivery_ms);
        }
        defaults(&mut self.properties);
        self.properties.validate(&[])?;
        Ok(KafkaSink {
            properties: self.properties,
            topic: self.topic,
            serialize,
            guarantee: self.guarantee,
            connect_timeout: self.connect_timeout,
            transactions: self.transactions,
        })
    }

    /// One function from the parts.
    fn serialize(&mut self) -> Result<Serialize<T>> {
        let parts = self.key.is_some() || self.value.is_some() || self.topic_by.is_some();
        if let Some(serialize) = self.serializer.take() {
            return match parts {
                true => {
                    Err(Error::config("serializer is set together with key, value or topic_by")
                        .advice("do everything in the serializer, or leave it out"))
                }
                false => Ok(serialize),
            };
        }
        if self.topic.is_none() && self.topic_by.is_none() {
            return Err(Error::config("topic is not set").advice("set topic or topic_by"));
        }
        let Some(value) = self.value.take() else {
            return Err(Error::config("value is not set").advice(
                "set it to ser::json(), ser::string(), ser::bytes() or your own function",
            ));
        };
        let (key, topic_by) = (self.key.take(), self.topic_by.take());
        Ok(Arc::new(move |row, _, record| {
            if let Some(topic) = &topic_by {
                record.set_topic(topic(row));
            }
            if let Some(key) = &key {
                key(row, record.key_mut())?;
            }
            value(row, record.value_mut())
        }))
    }
}

impl<T: Data> Sink<T> for KafkaSink<T> {
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        let surroundings = Surroundings {
            waker: context.waker.clone(),
            errors: context.metrics.counter("numRecordsSendErrors"),
            tolerant: self.guarantee == DeliveryGuarantee::None,
            connect_timeout: self.connect_timeout,
        };
        let mut writer = KafkaWriter {
            producer: None,
            topic: self.topic.clone().unwrap_or_default(),
            serialize: Arc::clone(&self.serialize),
            guarantee: self.guarantee,
            record: ProducerRecord::default(),
            waiting: VecDeque::new(),
            clock: Arc::clone(&context.clock),
            retry_at_ms: 0,
            bytes: context.metrics.counter("numBytesSend"),
        };
        let (properties, settings) = (self.properties.clone(), self.transactions.clone());
        if self.guarantee == DeliveryGuarantee::ExactlyOnce {
            return Ok(Box::new(TransactionalWriter::open(
                writer,
                properties,
                settings,
                surroundings,
                context,
            )?));
        }
        writer.producer = Some(Producer::connect(properties, self.topic.as_deref(), surroundings)?);
        Ok(Box::new(writer))
    }
    fn exclusive(&self) -> Option<String> {
        let exactly_once = self.guarantee == DeliveryGuarantee::ExactlyOnce;
        exactly_once.then(|| format!("transactional_id_prefix '{}'", self.transactions.prefix))
    }
    fn committer(&self, context: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        if self.guarantee != DeliveryGuarantee::ExactlyOnce {
            return Ok(None);
        }
        let committer = KafkaCommitter::new(&self.properties, &self.transactions, context)?;
        Ok(Some(Box::new(committer)))
    }
}

/// How long the writer waits at most before it tries a full queue again.
const RETRY_MS: i64 = 50;

/// The writer of one subtask.
pub(crate) struct KafkaWriter<T> {
    producer: Option<Producer>,
    topic: String,
    serialize: Serialize<T>,
    guarantee: DeliveryGuarantee,
    record: ProducerRecord,
    /// Records that found the queue full, in order.
    waiting: VecDeque<(T, EventTime)>,
    clock: Arc<dyn Clock>,
    retry_at_ms: i64,
    bytes: Counter,
}

impl<T: Data> KafkaWriter<T> {
    /// The topic, when all records go to one.
    pub(crate) fn fixed_topic(&self) -> Option<String> {
        (!self.topic.is_empty()).then(|| self.topic.clone())
    }
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
    pub(crate) fn set_producer(&mut self, producer: Producer) {
        self.producer = Some(producer);
    }
    pub(crate) fn take_producer(&mut self) -> Option<Producer> {
        self.producer.take()
    }
    fn send(&mut self, value: &T, timestamp: EventTime) -> Result<Sent> {
        let Some(producer) = &self.producer else {
            return Err(Error::bug("a record for a closed Kafka writer"));
        };
        let record = &mut self.record;
        record.reset(&self.topic);
        (self.serialize)(value, timestamp, record)?;
        if record.timestamp.is_none() && timestamp != NO_TIMESTAMP && timestamp >= 0 {
            record.set_timestamp(timestamp);
        }
        let mut sent = producer.send(record)?;
        if sent == Sent::Full {
            // Ask first, try again, then wait: a report in between is not missed.
            producer.want_room();
            sent = producer.send(record)?;
        }
        if sent == Sent::Queued {
            let size = record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
            self.bytes.add(size as u64);
        }
        Ok(sent)
    }
    fn check(&self) -> Result<()> {
        self.producer.as_ref().map_or(Ok(()), Producer::check)
    }
    /// Sends what waits, as far as there is room.
    fn send_waiting(&mut self) -> Result<()> {
        while let Some((value, timestamp)) = self.waiting.pop_front() {
            if self.send(&value, timestamp)? == Sent::Full {
                self.waiting.push_front((value, timestamp));
                self.retry_at_ms = self.clock.now_ms().saturating_add(RETRY_MS);
                break;
            }
        }
        Ok(())
    }
}

impl<T: Data> SinkWriter<T> for KafkaWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        self.check()?;
        let mut rows = batch.into_iter();
        while self.waiting.is_empty() {
            let Some((value, timestamp)) = rows.next() else { return Ok(()) };
            if self.send(&value, timestamp)? == Sent::Full {
                self.retry_at_ms = self.clock.now_ms().saturating_add(RETRY_MS);
                self.waiting.push_back((value, timestamp));
            }
        }
        self.waiting.extend(rows);
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        loop {
            self.check()?;
            self.send_waiting()?;
            if self.waiting.is_empty() {
                break;
            }
            if let Some(producer) = &self.producer {
                producer.wait_for_room()?;
            }
        }
        match &self.producer {
            Some(producer) if self.guarantee != DeliveryGuarantee::None => producer.flush(),
            _ => Ok(()),
        }
    }
    fn is_ready(&self) -> bool {
        self.waiting.is_empty()
    }
    fn poll(&mut self, _now_ms: i64) -> Result<()> {
        self.check()?;
        self.send_waiting()
    }
    fn next_poll(&self) -> Option<i64> {
        (!self.waiting.is_empty()).then_some(self.retry_at_ms)
    }
    fn close(&mut self) -> Result<()> {
        let Some(producer) = self.producer.take() else { return Ok(()) };
        if self.guarantee == DeliveryGuarantee::None {
            // No barrier has waited for these; without a wait the end would drop them.
            return producer.drain(Some(Duration::from_secs(10)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ser;

    fn builder() -> KafkaSinkBuilder<String> {
        KafkaSink::builder().bootstrap_servers("127.0.0.1:1").topic("t").value(ser::string())
    }
    fn refused(builder: KafkaSinkBuilder<String>) -> String {
        builder.build().map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn exactly_once_needs_a_prefix_and_manages_its_properties() {
        let exactly = || builder().delivery_guarantee(DeliveryGuarantee::ExactlyOnce);
        assert!(refused(exactly()).contains("without transactional_id_prefix"));
        let with = || exactly().transactional_id_prefix("p");
        let sink = with().transaction_timeout(Duration::from_secs(30)).build().unwrap();
        assert_eq!(sink.properties.get("transaction.timeout.ms"), Some("30000"));
        assert_eq!(sink.properties.get("delivery.timeout.ms"), Some("30000"));
        let refuse = |name: &str, value: &str| refused(with().property(name, value));
        assert!(refuse("enable.idempotence", "false").contains("exactly once needs it"));
        assert!(refuse("transaction.timeout.ms", "1000").contains("transaction_timeout"));
        assert!(refuse("acks", "1").contains("all in-sync replicas"));
        let alone = builder().transactional_id_prefix("p");
        assert!(refused(alone).contains("without ExactlyOnce"));
    }

    #[test]
    fn options_that_break_the_guarantee_are_refused() {
        assert!(refused(builder().property("acks", "1")).contains("DeliveryGuarantee::None"));
        let none = builder().property("acks", "1").delivery_guarantee(DeliveryGuarantee::None);
        assert!(none.build().is_ok());
        assert!(refused(builder().property("transactional.id", "x")).contains("ExactlyOnce"));
    }

    #[test]
    fn missing_and_contradicting_options_are_named() {
        let plain = || KafkaSink::<String>::builder().bootstrap_servers("127.0.0.1:1");
        assert!(refused(plain()).contains("topic is not set"));
        assert!(refused(plain().topic("t")).contains("value is not set"));
        let both = builder().serializer(|_, _, _| Ok(()));
        assert!(refused(both).contains("serializer is set together with"));
        let text = refused(KafkaSink::<String>::builder().topic("t").value(ser::string()));
        assert!(text.contains("bootstrap_servers is not set"), "{text}");
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let sink = builder().property("sasl.password", "hunter2hunter2").build().unwrap();
        let shown = format!("{sink:?}");
        assert!(!shown.contains("hunter2") && shown.contains("lz4"), "{shown}");
    }
}
