//! The source: its builder, and what a subtask does before data flows.
//!
//! At the head of a job: reads the partitions' list, takes restored positions or asks
//! for starting offsets, checks both against what the brokers hold, and starts the
//! reader's threads.
//!
//! Invariant: whatever can be known to be wrong is an error here, not after the first
//! record.

use crate::client::{Cluster, Connection, Deadline};
use crate::committer::Committer;
use crate::dead_letter::DeadLetterTopic;
use crate::discovery::{Discovery, Subscription};
use crate::error::unknown_topic;
use crate::fetcher::{Deserialize, Fetcher, Inbox};
use crate::offsets::{OffsetsInitializer, check_range};
use crate::properties::Properties;
use crate::reader::KafkaReader;
use crate::record::KafkaRecord;
use crate::signal::Signal;
use crate::split::{
    DISCOVERED_STATE, EARLIEST, KafkaSplit, SPLITS_STATE, TopicPartition, owner_of,
};
use crate::topic_ids;
use millstream_core::{Data, Error, Result};
use millstream_formats::{BadRecords, ParsePolicy};
use millstream_runtime::{OperatorContext, Source, SourceReader};
use regex::Regex;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Reads records from Kafka.
///
/// A split is a partition; the Kafka timestamp is given to the watermark strategy as
/// the record's event time. Positions are stored in checkpoints; the group's offsets
/// are only for monitoring. Records of aborted transactions are not read, unless
/// [`IsolationLevel`] says so.
///
/// ```
/// use millstream_kafka::{KafkaSource, OffsetsInitializer, de};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Click { user: String, at: i64 }
///
/// let source = KafkaSource::builder()
///     .bootstrap_servers("127.0.0.1:9092")
///     .topics(["clicks"])
///     .group_id("click-counts")
///     .starting_offsets(OffsetsInitializer::earliest())
///     .deserializer(de::json::<Click>())
///     .dead_letter_topic("clicks-unreadable")
///     .build()?;
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub struct KafkaSource<T> {
    properties: Properties,
    subscription: Subscription,
    starting: OffsetsInitializer,
    stopping: Option<OffsetsInitializer>,
    discovery: Option<Duration>,
    is_bounded: bool,
    deserialize: Deserialize<T>,
    on_parse_error: ParsePolicy,
    commits: bool,
    isolation_level: IsolationLevel,
    connect_timeout: Duration,
    unavailable_timeout: Duration,
}

impl<T: Data> KafkaSource<T> {
    /// Sets a source up.
    pub fn builder() -> KafkaSourceBuilder<T> {
        KafkaSourceBuilder {
            properties: Properties::default(),
            topics: Vec::new(),
            pattern: None,
            starting: OffsetsInitializer::earliest(),
            stopping: None,
            is_bounded: false,
            discovery: Duration::from_secs(300),
            deserialize: None,
            on_parse_error: ParsePolicy::Fail,
            dead_letter_topic: None,
            commits: true,
            isolation_level: IsolationLevel::default(),
            connect_timeout: Duration::from_secs(10),
            unavailable_timeout: Duration::from_secs(300),
        }
    }
}

impl<T> fmt::Debug for KafkaSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("subscription", &self.subscription)
            .field("starting", &self.starting)
            .field("stopping", &self.stopping)
            .field("on_parse_error", &self.on_parse_error)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// See [`KafkaSource::builder`].
pub struct KafkaSourceBuilder<T> {
    properties: Properties,
    topics: Vec<String>,
    pattern: Option<String>,
    starting: OffsetsInitializer,
    stopping: Option<OffsetsInitializer>,
    is_bounded: bool,
    discovery: Duration,
    deserialize: Option<Deserialize<T>>,
    on_parse_error: ParsePolicy,
    dead_letter_topic: Option<String>,
    commits: bool,
    isolation_level: IsolationLevel,
    connect_timeout: Duration,
    unavailable_timeout: Duration,
}

/// Which records of transactions a source reads.
///
/// Flink and Java's consumer read uncommitted records unless told otherwise. This source,
/// like librdkafka, reads committed ones only: what an exactly-once sink has aborted is not
/// data, and to count it would be silently wrong, while to wait for a commit is only later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Records of committed transactions, and those outside of transactions. A record comes
    /// when no earlier transaction of its partition is open any more.
    #[default]
    ReadCommitted,
    /// All records as soon as they are written, also those of aborted transactions.
    ReadUncommitted,
}

impl IsolationLevel {
    fn name(self) -> &'static str {
        match self {
            IsolationLevel::ReadCommitted => "read_committed",
            IsolationLevel::ReadUncommitted => "read_uncommitted",
        }
    }
}

/// Properties that have an option, or that must not be changed.
const MANAGED: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed at checkpoints: commit_offsets_on_checkpoint"),
    ("auto.commit.interval.ms", "offsets are committed at checkpoints"),
    ("enable.auto.offset.store", "leave it out: positions are kept in checkpoints"),
    ("isolation.level", "use isolation_level(IsolationLevel::..)"),
    ("enable.partition.eof", "leave it out: the connector needs it"),
    ("group.instance.id", "leave it out: partitions are assigned by the job, not by the group"),
];

impl<T: Data> KafkaSourceBuilder<T> {
    /// Addresses of one or more brokers: `host:port`, separated by commas.
    pub fn bootstrap_servers(mut self, servers: impl Into<String>) -> Self {
        self.properties.set("bootstrap.servers", servers);
        self
    }
    /// Reads these topics; each must exist.
    pub fn topics<S: Into<String>>(mut self, topics: impl IntoIterator<Item = S>) -> Self {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }
    /// Reads the topics whose whole name matches this regular expression, also those
    /// that are created while the job runs. Kafka's own (`__...`) are left out.
    pub fn topic_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }
    /// Which records of transactions are read; [`IsolationLevel::ReadCommitted`] when not
    /// called.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = level;
        self
    }
    /// The consumer group whose offsets are read (`committed`) and written.
    pub fn group_id(mut self, group: impl Into<String>) -> Self {
        self.properties.set("group.id", group);
        self
    }
    /// Where a job that is not restored starts; at the earliest records when not called.
    pub fn starting_offsets(mut self, offsets: OffsetsInitializer) -> Self {
        self.starting = offsets;
        self
    }
    /// Reads to these offsets and ends; they are fixed when the job starts. Partitions
    /// are not looked for while it runs.
    pub fn bounded(mut self, end: OffsetsInitializer) -> Self {
        (self.stopping, self.is_bounded) = (Some(end), true);
        self
    }
    /// Stops each partition at these offsets, but keeps looking for new partitions: the
    /// source ends only when discovery is off.
    pub fn unbounded_stop(mut self, end: OffsetsInitializer) -> Self {
        (self.stopping, self.is_bounded) = (Some(end), false);
        self
    }
    /// How often to look for new partitions, which are then read from their beginning;
    /// zero: never. Every 5 minutes when not called, as in Flink.
    pub fn partition_discovery(mut self, interval: Duration) -> Self {
        self.discovery = interval;
        self
    }
    /// How to read a record; see [`de`](crate::de). Runs on the reader's own thread.
    pub fn deserializer(
        mut self,
        read: impl Fn(&KafkaRecord<'_>) -> Result<Option<T>> + Send + Sync + 'static,
    ) -> Self {
        self.deserialize = Some(Arc::new(read));
        self
    }
    /// What happens to records that the deserializer refuses; the job fails when not called.
    pub fn on_parse_error(mut self, policy: ParsePolicy) -> Self {
        self.on_parse_error = policy;
        self
    }
    /// Writes records that the deserializer refuses to this topic of the same brokers, which
    /// must exist: as they are, with key, headers and timestamp, and in further headers what
    /// went wrong (`millstream.error`) and where the record was (`millstream.topic`,
    /// `.partition`, `.offset`). Letters are safe before the checkpoint that covers their
    /// records; after a failure some may be written twice. In place of
    /// [`on_parse_error`](Self::on_parse_error).
    pub fn dead_letter_topic(mut self, topic: impl Into<String>) -> Self {
        self.dead_letter_topic = Some(topic.into());
        self
    }
    /// Whether completed checkpoints commit their offsets to the group, for monitoring;
    /// they do when not called, if there is a group id.
    pub fn commit_offsets_on_checkpoint(mut self, commit: bool) -> Self {
        self.commits = commit;
        self
    }
    /// How long a starting reader waits for a broker; 10 s when not called.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }
    /// How long a running reader waits while no broker is there, before the attempt
    /// fails; 5 minutes when not called.
    pub fn broker_unavailable_timeout(mut self, timeout: Duration) -> Self {
        self.unavailable_timeout = timeout;
        self
    }
    /// A property of librdkafka. Values of properties that are not known to be harmless
    /// are never shown.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.set(name, value);
        self
    }

    fn subscription(&mut self) -> Result<Subscription> {
        let topics = std::mem::take(&mut self.topics);
        if topics.iter().any(String::is_empty) {
            return Err(Error::config("topics contains an empty name").advice("name the topic"));
        }
        match (topics.is_empty(), self.pattern.take()) {
            (true, None) => {
                Err(Error::config("topics is not set").advice("set topics or topic_pattern"))
            }
            (false, Some(_)) => Err(Error::config("topics and topic_pattern are both set")
                .advice("leave one of them out")),
            (false, None) => {
                let mut distinct = Vec::new();
                for topic in topics {
                    if !distinct.contains(&topic) {
                        distinct.push(topic);
                    }
                }
                Ok(Subscription::Topics(distinct))
            }
            (true, Some(pattern)) => match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) => Ok(Subscription::Pattern(pattern, regex)),
                Err(e) => Err(Error::config(format!("topic_pattern '{pattern}' is refused: {e}"))
                    .advice("the syntax is that of Rust's regex crate")),
            },
        }
    }

    fn policy(&mut self, subscription: &Subscription) -> Result<ParsePolicy> {
        let Some(topic) = self.dead_letter_topic.take() else {
            return Ok(self.on_parse_error.clone());
        };
        if !matches!(self.on_parse_error, ParsePolicy::Fail) {
            return Err(Error::config("on_parse_error and dead_letter_topic are both set")
                .advice("leave one of them out"));
        }
        let refused = |why| {
            let what = format!("dead_letter_topic '{topic}' {why}");
            Err(Error::config(what).advice("name a topic of its own"))
        };
        if topic.is_empty() {
            return refused("has no name");
        }
        if subscription.contains(&topic) {
            return refused("is read by this source");
        }
        Ok(ParsePolicy::DeadLetter(Arc::new(DeadLetterTopic {
            properties: self.properties.of_connection(),
            topic,
            connect_timeout: self.connect_timeout,
        })))
    }

    /// Checks the options.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    pub fn build(mut self) -> Result<KafkaSource<T>> {
        self.properties.validate(MANAGED)?;
        let subscription = self.subscription()?;
        self.starting.validate("starting_offsets", false)?;
        let end_option = if self.is_bounded { "bounded" } else { "unbounded_stop" };
        if let Some(stopping) = &self.stopping {
            stopping.validate(end_option, true)?;
        }
        let has_group = self.properties.get("group.id").is_some_and(|g| !g.is_empty());
        let needs_group =
            self.starting.needs_group() || self.stopping.as_ref().is_some_and(|s| s.needs_group());
        if needs_group && !has_group {
            return Err(Error::config("committed offsets are asked for, but group_id is not set")
                .advice("set group_id, or start at other offsets"));
        }
        let on_parse_error = self.policy(&subscription)?;
        let Some(deserialize) = self.deserialize else {
            return Err(Error::config("deserializer is not set").advice(
                "set it to de::json(), de::string(), de::bytes(), de::value_only(..) or your own",
            ));
        };
        let discovery =
            Some(self.discovery).filter(|interval| !interval.is_zero() && !self.is_bounded);
        Ok(KafkaSource {
            properties: self.properties,
            subscription,
            starting: self.starting,
            stopping: self.stopping,
            discovery,
            is_bounded: self.is_bounded,
            deserialize,
            on_parse_error,
            commits: self.commits && has_group,
            isolation_level: self.isolation_level,
            connect_timeout: self.connect_timeout,
            unavailable_timeout: self.unavailable_timeout,
        })
    }
}

/// What librdkafka may fetch ahead: for all partitions of a reader, and for one.
const FETCH_AHEAD_KB: usize = 64 << 10;

impl<T: Data> KafkaSource<T> {
    /// The client's properties; `per_partition` of what may be fetched ahead.
    fn client_properties(&self, uid: &str) -> Properties {
        let mut p = self.properties.clone();
        // Required by the client; without group id of the user nothing is committed.
        p.set_default(&["group.id"], format!("millstream-{uid}"));
        p.set("isolation.level", self.isolation_level.name());
        p.set("enable.auto.commit", "false");
        p.set("enable.auto.offset.store", "false");
        p.set("enable.partition.eof", "true");
        // A gap is an error with a name, not a silent jump.
        p.set_default(&["auto.offset.reset"], "error");
        // Of each partition, as each has its own queue.
        p.set_default(&["queued.max.messages.kbytes"], (FETCH_AHEAD_KB / 8).to_string());
        // A full queue is looked at again at once, not after a second.
        p.set_default(&["fetch.queue.backoff.ms"], "5");
        p.set_default(&["reconnect.backoff.max.ms"], "1000");
        p
    }

    /// The splits that this subtask reads, each with its position.
    fn splits(
        &self,
        partitions: &[TopicPartition],
        with: &Connection,
        deadline: Deadline,
        context: &OperatorContext,
    ) -> Result<Vec<KafkaSplit>> {
        let subtask = &context.subtask;
        let mine = |p: &TopicPartition| owner_of(p, subtask.parallelism) == subtask.index;
        let stored: Vec<KafkaSplit> = context.restored.list_union(SPLITS_STATE)?;
        let was_restored = !context.restored.list_union::<bool>(DISCOVERED_STATE)?.is_empty();
        let mut splits = Vec::new();
        for mut split in stored.iter().filter(|s| mine(&s.name())).cloned() {
            if !self.subscription.contains(&split.topic) {
                tracing::warn!("{} is not read any more: no longer subscribed", split.name());
                continue;
            }
            if !partitions.contains(&split.name()) {
                return Err(unknown_topic(&split.topic)
                    .at(format!("the restored position of {}", split.name())));
            }
            split.stop_offset = split.stop_offset.filter(|_| self.stopping.is_some());
            splits.push(split);
        }
        let is_new = |p: &&TopicPartition| !stored.iter().any(|s| s.name() == **p);
        let new: Vec<_> = partitions.iter().filter(|p| mine(p)).filter(is_new).cloned().collect();
        let starts = match was_restored {
            // Created since the checkpoint: nothing of it has been read.
            true => vec![EARLIEST; new.len()],
            false => {
                self.starting.check_named(partitions)?;
                self.starting.starts(&new, with, deadline)?
            }
        };
        let fresh = new.into_iter().zip(starts);
        splits.extend(fresh.map(|(partition, start)| KafkaSplit::new(partition, start, None)));
        topic_ids::check(&mut splits, with, deadline)?;
        self.add_stops(&mut splits, partitions, with, deadline)?;
        if with.properties.get("auto.offset.reset") == Some("error") {
            for split in splits.iter().filter(|s| !s.is_finished() && s.next_offset != EARLIEST) {
                check_range(&split.name(), split.next_offset, with, deadline)?;
            }
        }
        Ok(splits)
    }

    fn add_stops(
        &self,
        splits: &mut [KafkaSplit],
        partitions: &[TopicPartition],
        with: &Connection,
        deadline: Deadline,
    ) -> Result<()> {
        let Some(stopping) = &self.stopping else { return Ok(()) };
        stopping.check_named(partitions)?;
        let open: Vec<_> = splits.iter_mut().filter(|s| s.stop_offset.is_none()).collect();
        let names: Vec<_> = open.iter().map(|s| s.name()).collect();
        for (split, stop) in open.into_iter().zip(stopping.stops(&names, with, deadline)?) {
            // The group's offset may be "the beginning".
            split.stop_offset = Some(stop.max(0));
        }
        Ok(())
    }

    fn check_match(&self, partitions: &[TopicPartition]) -> Result<()> {
        let (Subscription::Pattern(pattern, _), true) = (&self.subscription, partitions.is_empty())
        else {
            return Ok(());
        };
        let what = format!("topic_pattern '{pattern}' matches no topic");
        if self.discovery.is_some() {
            tracing::warn!("{what} yet; looking again every {:?}", self.discovery);
            return Ok(());
        }
        Err(Error::config(what).advice(match self.is_bounded {
            true => "a bounded source reads what is there when it starts: fix the pattern",
            false => "fix the pattern, or turn partition_discovery on to wait for topics",
        }))
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(run).map_err(|e| {
        Error::restart(format!("a thread of the Kafka source cannot be started: {e}"))
            .advice("raise the limit of threads of this process")
    })
}

impl<T: Data> Source for KafkaSource<T> {
    type Out = T;

    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<T>>> {
        let metrics = &context.metrics;
        let signal = Arc::new(Signal::default());
        let properties = self.client_properties(&context.subtask.uid);
        let with = Connection::open(properties, self.connect_timeout, &signal)?;
        let deadline = with.deadline();
        let partitions = self.subscription.partitions(&with, deadline)?;
        self.check_match(&partitions)?;
        let splits = self.splits(&partitions, &with, deadline, context)?;
        let bad = Arc::new(Mutex::new(BadRecords::open(&self.on_parse_error, context)?));
        let inbox = Arc::new(Inbox::new(signal, context.waker.clone()));
        let mut fetcher = Fetcher::new(
            with.clone(),
            Arc::clone(&inbox),
            Arc::clone(&self.deserialize),
            Arc::clone(&bad),
            metrics.counter("numBytesIn"),
            self.unavailable_timeout,
        );
        fetcher.add(splits.clone(), true)?;
        let name = format!("kafka-{}", context.subtask.index);
        let committer = match self.commits {
            false => None,
            true => {
                let succeeded = metrics.counter("commitsSucceeded");
                let failed = metrics.counter("commitsFailed");
                let committer = Arc::new(Committer::new(with.clone(), succeeded, failed));
                let run = Arc::clone(&committer);
                Some((committer, spawn(format!("{name}-commits"), move || run.run())?))
            }
        };
        let mut threads = vec![spawn(name.clone(), move || fetcher.run())?];
        let discovery = Discovery {
            subscription: self.subscription.clone(),
            connection: with,
            interval: self.discovery,
            stop_at: self.stopping.clone(),
            subtask: context.subtask.clone(),
            known: partitions.into_iter().collect(),
            ids: topic_ids::of(&splits),
        };
        let to_fetcher = Arc::clone(&inbox);
        threads.push(spawn(format!("{name}-topics"), move || {
            let inbox = to_fetcher;
            discovery.run(&inbox.stop, &inbox.discovery_signal, |found| inbox.discovered(found));
        })?);
        Ok(Box::new(KafkaReader::new(
            inbox,
            threads,
            bad,
            splits,
            self.discovery.is_some(),
            committer,
            metrics.clone(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OffsetReset, de};

    fn builder() -> KafkaSourceBuilder<String> {
        KafkaSource::builder().bootstrap_servers("127.0.0.1:1").deserializer(de::string())
    }
    fn refused(builder: KafkaSourceBuilder<String>) -> String {
        builder.build().map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn missing_and_contradicting_options_are_named() {
        assert!(refused(builder()).contains("topics is not set"));
        assert!(refused(builder().topics(["a"]).topic_pattern("b")).contains("both set"));
        assert!(refused(builder().topic_pattern("ev-(")).contains("topic_pattern 'ev-('"));
        assert!(refused(builder().topics(["a", ""])).contains("empty name"));
        let committed = OffsetsInitializer::committed(OffsetReset::None);
        let text = refused(builder().topics(["a"]).starting_offsets(committed));
        assert!(text.contains("group_id is not set"), "{text}");
        let text = refused(builder().topics(["a"]).property("enable.auto.commit", "true"));
        assert!(text.contains("commit_offsets_on_checkpoint"), "{text}");
        let own = builder().topic_pattern("a.*").dead_letter_topic("a-dead");
        assert!(refused(own).contains("is read by this source"));
        let none = KafkaSource::<String>::builder().bootstrap_servers("h:1").topics(["a"]);
        assert!(refused(none).contains("deserializer is not set"));
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        let source = builder().topic_pattern("ev-.*|clicks").build().unwrap();
        let matches = |topic| source.subscription.contains(topic);
        assert!(matches("ev-1") && matches("clicks"));
        assert!(!matches("prev-1") && !matches("clicks2"));
    }

    #[test]
    fn a_bounded_source_does_not_look_for_partitions() {
        let bounded = builder().topics(["a"]).bounded(OffsetsInitializer::latest());
        assert_eq!(bounded.build().unwrap().discovery, None);
        let default = builder().topics(["a"]).build().unwrap();
        assert_eq!(default.discovery, Some(Duration::from_secs(300)));
        let off = builder().topics(["a"]).partition_discovery(Duration::ZERO);
        assert_eq!(off.build().unwrap().discovery, None);
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let source = builder().topics(["a"]).property("sasl.password", "hunter2hunter2");
        let shown = format!("{:?}", source.build().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
