//! The producer client: sends, and keeps count of what is on its way.
//!
//! Below the sink's writer and the dead letters.
//!
//! Invariants: a record is queued, refused with an error, or given back as
//! [`Sent::Full`], never dropped; the first failed delivery is kept and fails every
//! later call; memory is bounded by librdkafka's queue.

use crate::client::{Cluster, Deadline, Health, PROBE, log};
use crate::error::{code_of, is_transient, is_unknown_topic, not_allowed, unknown_topic};
use crate::properties::Properties;
use crate::record::ProducerRecord;
use crate::signal::Signal;
use millstream_core::{Error, Result};
use millstream_runtime::{Counter, Waker};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Queued,
    /// The queue is full: try again later.
    Full,
}

/// Deliveries on their way.
struct Deliveries {
    in_flight: AtomicUsize,
    failed: Mutex<Option<Error>>,
    has_failed: AtomicBool,
    /// Whether failures are only counted.
    tolerant: bool,
    errors: Counter,
    /// Somebody waits for the last delivery.
    draining: AtomicBool,
    /// Somebody waits for room.
    wants_room: AtomicBool,
    signal: Signal,
    waker: Waker,
}

impl Deliveries {
    fn fail(&self, error: Error) {
        self.errors.add(1);
        if self.tolerant {
            tracing::warn!("{error}");
            return;
        }
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.has_failed.store(true, Ordering::Release);
        self.signal.notify();
        self.waker.wake();
    }
    fn done(&self) {
        let was = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if was == 1 && self.draining.load(Ordering::SeqCst) {
            self.signal.notify();
        }
        if self.wants_room.swap(false, Ordering::SeqCst) {
            self.signal.notify();
            self.waker.wake();
        }
    }
}

/// Receives the client's events and delivery reports.
pub(crate) struct Context {
    properties: Arc<Properties>,
    health: Arc<Health>,
    deliveries: Arc<Deliveries>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(&self.properties, level, facility, text);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.health.report(&error, self.properties.mask(reason));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.health.answered(),
            Err((error, message)) => {
                let size = message.payload_len() + message.key_len();
                self.deliveries.fail(undelivered(message.topic(), size, code_of(error)));
            }
        }
        self.deliveries.done();
    }
}

fn undelivered(topic: &str, size: usize, code: RDKafkaErrorCode) -> Error {
    if is_unknown_topic(code) {
        return unknown_topic(topic);
    }
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed => not_allowed(topic),
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize => {
            Error::data(format!("a record of {size} bytes is too large for topic '{topic}'"))
                .advice("raise 'message.max.bytes' of the sink and of the topic, or write less")
        }
        RDKafkaErrorCode::MessageTimedOut => {
            Error::retry(format!("a record for topic '{topic}' was not acknowledged in time"))
                .advice("check the brokers; property 'delivery.timeout.ms' sets the wait")
        }
        code if is_transient(code) => {
            Error::retry(format!("a record for topic '{topic}' was not delivered: {code}"))
                .advice("check the brokers")
        }
        code => Error::restart(format!("a record for topic '{topic}' was not delivered: {code}"))
            .advice("restart from the last checkpoint; look at the broker's log if it comes again"),
    }
}

/// A transactional id is handed over only when what it had open has ended.
const MIN_INIT_TIMEOUT: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Producer {
    inner: ThreadedProducer<Context>,
    deliveries: Arc<Deliveries>,
    properties: Arc<Properties>,
    health: Arc<Health>,
    timeout: Duration,
}

/// What a producer is told about its surroundings.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) waker: Waker,
    /// Counts failed deliveries.
    pub(crate) errors: Counter,
    /// Failed deliveries are counted, and do not fail anything.
    pub(crate) tolerant: bool,
    pub(crate) connect_timeout: Duration,
}

/// Defaults for throughput with bounded memory; the user's properties win.
pub(crate) fn defaults(properties: &mut Properties) {
    properties.set_default(&["acks", "request.required.acks"], "all");
    properties.set_default(&["linger.ms", "queue.buffering.max.ms"], "5");
    properties.set_default(&["compression.type", "compression.codec"], "lz4");
    // As Java's clients do, so that both send a key to the same partition.
    properties.set_default(&["partitioner"], "murmur2_random");
    properties.set_default(&["queue.buffering.max.kbytes"], "65536");
    properties.set_default(&["delivery.timeout.ms", "message.timeout.ms"], "120000");
    properties.set_default(&["reconnect.backoff.max.ms"], "1000");
}

impl Producer {
    /// Makes the client and checks that a broker answers, and that `topic` exists.
    pub(crate) fn connect(
        properties: Properties,
        topic: Option<&str>,
        surroundings: Surroundings,
    ) -> Result<Producer> {
        let properties = Arc::new(properties);
        let health = Arc::new(Health::default());
        let deliveries = Arc::new(Deliveries {
            in_flight: AtomicUsize::new(0),
            failed: Mutex::new(None),
            has_failed: AtomicBool::new(false),
            tolerant: surroundings.tolerant,
            errors: surroundings.errors,
            draining: AtomicBool::new(false),
            wants_room: AtomicBool::new(false),
            signal: Signal::default(),
            waker: surroundings.waker,
        });
        let context = Context {
            properties: Arc::clone(&properties),
            health: Arc::clone(&health),
            deliveries: Arc::clone(&deliveries),
        };
        let inner = properties.client_config().create_with_context(context);
        let inner = inner.map_err(|e| properties.refused(e))?;
        let timeout = surroundings.connect_timeout;
        let producer = Producer { inner, deliveries, properties, health, timeout };
        let deadline = producer.deadline();
        match topic {
            Some(topic) => {
                producer.partitions_of(topic, deadline)?.ok_or_else(|| unknown_topic(topic))?;
            }
            None => {
                producer.metadata(Some(PROBE), deadline)?;
            }
        }
        Ok(producer)
    }

    /// The first failed delivery, or a refused login.
    pub(crate) fn check(&self) -> Result<()> {
        if self.deliveries.has_failed.load(Ordering::Acquire) {
            let failed = self.deliveries.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(error) = &*failed {
                return Err(error.clone());
            }
        }
        self.check_login()
    }

    /// Queues a record.
    pub(crate) fn send(&self, record: &ProducerRecord) -> Result<Sent> {
        record.check()?;
        let mut out = BaseRecord::<[u8], [u8], ()>::to(&record.topic);
        out.key = record.key();
        out.payload = record.value();
        out.partition = record.partition;
        out.timestamp = record.timestamp;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let add = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
                headers.insert(Header { key: name, value: value.as_ref() })
            };
            out.headers = Some(record.headers.iter().fold(headers, add));
        }
        // Counted first: the report may come before `send` returns.
        self.deliveries.in_flight.fetch_add(1, Ordering::SeqCst);
        let Err((error, _)) = self.inner.send(out) else { return Ok(Sent::Queued) };
        self.deliveries.in_flight.fetch_sub(1, Ordering::SeqCst);
        match code_of(&error) {
            RDKafkaErrorCode::QueueFull => Ok(Sent::Full),
            code => {
                let size = record.value().map_or(0, <[u8]>::len);
                self.deliveries.errors.add(1);
                Err(undelivered(&record.topic, size, code))
            }
        }
    }

    /// Takes the transactional id over: aborts what is open, fences who used it.
    pub(crate) fn init_transactions(&self) -> Result<()> {
        self.inner
            .init_transactions(self.timeout.max(MIN_INIT_TIMEOUT))
            .map_err(|e| self.transaction_failed("the transactional id cannot be used", &e))
    }
    /// Starts a transaction; nothing is sent yet.
    pub(crate) fn begin_transaction(&self) -> Result<()> {
        let begun = self.inner.begin_transaction();
        begun.map_err(|e| self.transaction_failed("a transaction cannot be begun", &e))
    }
    /// Ends the open transaction without a trace.
    pub(crate) fn abort_transaction(&self, timeout: Duration) -> Result<()> {
        let aborted = self.inner.abort_transaction(timeout);
        aborted.map_err(|e| self.transaction_failed("a transaction cannot be aborted", &e))
    }
    fn transaction_failed(&self, what: &str, error: &KafkaError) -> Error {
        if let Err(login) = self.check_login() {
            return login;
        }
        let code = code_of(error);
        let what = format!("{what}: {code}");
        match code {
            RDKafkaErrorCode::InvalidTransactionTimeout => Error::config(what).advice(
                "lower transaction_timeout, or raise the brokers' transaction.max.timeout.ms",
            ),
            RDKafkaErrorCode::TransactionalIdAuthorizationFailed => Error::config(what)
                .advice("grant the user Describe and Write on transactional ids with the prefix"),
            _ => Error::restart(what).advice("check the brokers and their logs"),
        }
    }

    /// Asks for a wake-up when the next record is delivered.
    pub(crate) fn want_room(&self) {
        self.deliveries.wants_room.store(true, Ordering::SeqCst);
    }

    /// Waits until something was delivered, or has failed.
    pub(crate) fn wait_for_room(&self) -> Result<()> {
        self.want_room();
        self.deliveries.signal.wait(Duration::from_millis(50));
        self.check()
    }

    /// Waits until everything is acknowledged. Ends, because every record is either
    /// delivered or fails within the delivery timeout.
    pub(crate) fn flush(&self) -> Result<()> {
        self.drain(None)
    }

    /// The same, for `at_most`.
    pub(crate) fn drain(&self, at_most: Option<Duration>) -> Result<()> {
        let until = at_most.map(|d| Instant::now() + d);
        let deliveries = &self.deliveries;
        deliveries.draining.store(true, Ordering::SeqCst);
        let mut result = self.check();
        while result.is_ok() && deliveries.in_flight.load(Ordering::SeqCst) > 0 {
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            deliveries.signal.wait(Duration::from_millis(100));
            result = self.check();
        }
        deliveries.draining.store(false, Ordering::SeqCst);
        result.and_then(|()| self.check())
    }
}

impl Cluster for Producer {
    fn fetch(&self, topic: Option<&str>, timeout: Duration) -> KafkaResult<Metadata> {
        self.inner.client().fetch_metadata(topic, timeout)
    }
    fn serve_events(&self) {
        // The producer's own thread does.
    }
    fn health(&self) -> &Health {
        &self.health
    }
    fn properties(&self) -> &Properties {
        &self.properties
    }
    fn timeout(&self) -> Duration {
        self.timeout
    }
    fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }
}
