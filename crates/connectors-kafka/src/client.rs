//! The consumer client: connecting, metadata, and what the brokers' errors mean.
//!
//! Used before data flows (enumeration, offsets) and by the reader's threads.
//! Invariant: a call returns within its deadline; a refused login is an error at once,
//! not a silence.

use crate::error::{authentication, code_of, not_allowed, unknown_topic, unreachable};
use crate::properties::Properties;
use crate::signal::Signal;
use millstream_core::{Error, Result};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// librdkafka's consumer with our context.
pub(crate) type Consumer = BaseConsumer<Context>;

/// How the brokers are, as far as the client has said.
#[derive(Debug, Default)]
pub(crate) struct Health {
    state: Mutex<HealthState>,
}

#[derive(Debug, Default)]
struct HealthState {
    refused: Option<String>,
    down_since: Option<Instant>,
    reason: String,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes in an error event of a client.
    pub(crate) fn report(&self, error: &KafkaError, reason: String) {
        let mut state = self.state();
        match code_of(error) {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
                state.refused = Some(reason);
            }
            RDKafkaErrorCode::AllBrokersDown => {
                state.down_since.get_or_insert_with(Instant::now);
            }
            _ => state.reason = reason,
        }
    }
    /// A broker has answered.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        state.down_since = None;
        state.reason.clear();
    }
    /// Why a broker refused the login.
    pub(crate) fn refused(&self) -> Option<String> {
        self.state().refused.clone()
    }
    /// How long no broker has been there.
    pub(crate) fn down_for(&self) -> Option<Duration> {
        self.state().down_since.map(|since| since.elapsed())
    }
    /// The last thing that a client complained about.
    pub(crate) fn reason(&self) -> String {
        self.state().reason.clone()
    }
}

/// A log line of librdkafka, without secrets.
pub(crate) fn log(properties: &Properties, level: RDKafkaLogLevel, facility: &str, text: &str) {
    let text = properties.mask(text);
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", "{facility}: {text}"),
        _ => tracing::debug!(target: "librdkafka", "{facility}: {text}"),
    }
}

/// Receives the client's events.
pub(crate) struct Context {
    properties: Arc<Properties>,
    health: Arc<Health>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(&self.properties, level, facility, text);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.health.report(&error, self.properties.mask(reason));
    }
}

impl ConsumerContext for Context {}

/// A client and what every call needs.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) consumer: Arc<Consumer>,
    pub(crate) properties: Arc<Properties>,
    pub(crate) health: Arc<Health>,
    timeout: Duration,
}

/// Until when a request may take.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Deadline(Instant::now() + timeout)
    }
    pub(crate) fn remaining(self) -> Duration {
        // librdkafka takes a timeout of zero for "do not even try".
        self.0.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
    pub(crate) fn passed(self) -> bool {
        Instant::now() >= self.0
    }
}

/// What can be asked of a cluster, by the consumer and by the producers.
pub(crate) trait Cluster {
    fn fetch(&self, topic: Option<&str>, timeout: Duration) -> KafkaResult<Metadata>;
    /// Serves the client's events.
    fn serve_events(&self);
    fn health(&self) -> &Health;
    fn properties(&self) -> &Properties;
    fn timeout(&self) -> Duration;

    /// The deadline of what starts now.
    fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout())
    }
    fn servers(&self) -> &str {
        self.properties().bootstrap_servers()
    }
    /// The error of a request that no broker has answered in time.
    fn no_answer(&self) -> Error {
        unreachable(self.servers(), self.timeout(), &self.health().reason())
    }
    /// An error when a broker has refused the login.
    fn check_login(&self) -> Result<()> {
        match self.health().refused() {
            Some(reason) => Err(authentication(self.servers(), &reason)),
            None => Ok(()),
        }
    }
    /// Metadata of one topic or of all, tried until the deadline.
    fn metadata(&self, topic: Option<&str>, deadline: Deadline) -> Result<Metadata> {
        loop {
            let slice = deadline.remaining().min(Duration::from_secs(1));
            let fetched = self.fetch(topic, slice);
            self.serve_events();
            self.check_login()?;
            match fetched {
                Ok(metadata) => {
                    self.health().answered();
                    return Ok(metadata);
                }
                Err(e) if code_of(&e) == RDKafkaErrorCode::InvalidTopic => {
                    return Err(unknown_topic(topic.unwrap_or_default()));
                }
                Err(_) if deadline.passed() => return Err(self.no_answer()),
                // Some failures come back at once: do not spin.
                Err(_) => std::thread::sleep(deadline.remaining().min(Duration::from_millis(20))),
            }
        }
    }
    /// The partitions of a topic; `None` when it does not exist.
    fn partitions_of(&self, topic: &str, deadline: Deadline) -> Result<Option<Vec<i32>>> {
        let mut tries = 0;
        loop {
            let metadata = self.metadata(Some(topic), deadline)?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let code = found.and_then(|t| t.error()).map(RDKafkaErrorCode::from);
            match (found, code) {
                (Some(t), None) => {
                    return Ok(Some(t.partitions().iter().map(|p| p.id()).collect()));
                }
                (_, Some(RDKafkaErrorCode::TopicAuthorizationFailed)) => {
                    return Err(not_allowed(topic));
                }
                // A topic that was created a moment ago is not known to every broker yet.
                _ if tries < 5 && !deadline.passed() => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(100));
                }
                _ => return Ok(None),
            }
        }
    }
    /// All topics with their partitions, without Kafka's own.
    fn all_topics(&self, deadline: Deadline) -> Result<Vec<(String, Vec<i32>)>> {
        let metadata = self.metadata(None, deadline)?;
        let usable = |t: &&rdkafka::metadata::MetadataTopic| {
            t.error().is_none() && !t.name().starts_with("__")
        };
        let partitions = |t: &rdkafka::metadata::MetadataTopic| {
            (t.name().to_owned(), t.partitions().iter().map(|p| p.id()).collect())
        };
        Ok(metadata.topics().iter().filter(usable).map(partitions).collect())
    }
    /// Whether a broker answers right now.
    fn is_answering(&self, within: Duration) -> bool {
        self.fetch(Some(PROBE), within).is_ok()
    }
}

/// A topic whose metadata is asked for when any answer will do.
pub(crate) const PROBE: &str = "__consumer_offsets";

impl Connection {
    /// Makes the client; `notify` is told when it has events.
    pub(crate) fn open(
        properties: Properties,
        timeout: Duration,
        notify: &Arc<Signal>,
    ) -> Result<Connection> {
        let properties = Arc::new(properties);
        let health = Arc::new(Health::default());
        let context = Context { properties: Arc::clone(&properties), health: Arc::clone(&health) };
        let consumer = properties.client_config().create_with_context(context);
        let mut consumer: Consumer = consumer.map_err(|e| properties.refused(e))?;
        let notify = Arc::clone(notify);
        consumer.set_nonempty_callback(move || notify.notify());
        Ok(Connection { consumer: Arc::new(consumer), properties, health, timeout })
    }
}

impl Cluster for Connection {
    fn fetch(&self, topic: Option<&str>, timeout: Duration) -> KafkaResult<Metadata> {
        self.consumer.fetch_metadata(topic, timeout)
    }
    /// Never records: each partition has its own queue.
    fn serve_events(&self) {
        for _ in 0..100 {
            if self.consumer.poll(Duration::ZERO).is_none() {
                break;
            }
        }
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
}
