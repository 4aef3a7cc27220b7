//! Events into the topic, at a steady rate; and an eye on what comes out.

use crate::job::{Counted, Event};
use crate::rng::Rng;
use millstream::core::{Clock, SystemClock};
use millstream::prelude::{Error, Result};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Keys of the events.
pub(crate) const KEYS: usize = 2000;
/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 4;

pub(crate) fn now_ms() -> i64 {
    SystemClock.now_ms()
}

fn failed(e: KafkaError) -> Error {
    Error::retry(format!("Kafka: {e}"))
}

pub(crate) fn create_topics(servers: &str, names: &[String]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", servers).create().map_err(failed)?;
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|n| NewTopic::new(n, PARTITIONS, TopicReplication::Fixed(1))).collect();
    let made = futures_executor::block_on(admin.create_topics(&topics, &AdminOptions::new()));
    for result in made.map_err(failed)? {
        result.map_err(|(name, e)| Error::retry(format!("topic {name}: {e}")))?;
    }
    Ok(())
}

/// A consumer of all of a topic from its beginning, which sees only what is committed.
pub(crate) fn committed_reader(servers: &str, topic: &str) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", format!("{topic}-reader"))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "100")
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .map_err(failed)?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed)?;
    }
    consumer.assign(&all).map_err(failed)?;
    Ok(consumer)
}

/// Makes events on a thread until it is stopped.
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicI64>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Feed {
    pub(crate) fn start(servers: &str, topic: String, rate: u64, seed: u64) -> Result<Self> {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", "600000")
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .map_err(failed)?;
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&made));
        let thread = std::thread::spawn(move || {
            let (mut rng, mut next) = (Rng(seed), vec![0i64; KEYS]);
            let pause = Duration::from_millis(20);
            let each_time = (rate / 50).max(1);
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..each_time {
                    // Low keys are hot.
                    let key = rng.below(KEYS).min(rng.below(KEYS));
                    let Some(seq) = next.get_mut(key) else { continue };
                    send(&producer, &topic, &Event::new(key as i64, *seq, now_ms()))?;
                    *seq += 1;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(pause);
            }
            producer.flush(Duration::from_secs(120)).map_err(failed)
        });
        Ok(Feed { stop, made, thread: Some(thread) })
    }

    /// Stops, waits until all is in the topic; how many events there are.
    pub(crate) fn stop(&mut self) -> Result<i64> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| Error::bug("the feed panicked"))??;
        }
        Ok(self.made.load(Ordering::Relaxed))
    }
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    event: &Event,
) -> Result<()> {
    let (key, value) = (event.key.to_string(), serde_json::to_vec(event).unwrap_or_default());
    let mut record = BaseRecord::to(topic).key(&key).payload(&value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err((e, _)) => return Err(failed(e)),
        }
    }
}

/// Watches the job's output topic, to tell when the job is back after a fault.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicI64>,
    newest_ms: Arc<AtomicI64>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn start(servers: &str, topic: &str) -> Result<Self> {
        let consumer = committed_reader(servers, topic)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, newest_ms) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let (stopped, count, newest) =
            (Arc::clone(&stop), Arc::clone(&seen), Arc::clone(&newest_ms));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // Errors are the broker's restarts: the client connects again by itself.
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
                let counted = message.payload().and_then(|p| serde_json::from_slice(p).ok());
                let Some(Counted { made_ms, .. }) = counted else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                newest.fetch_max(made_ms, Ordering::Relaxed);
            }
        });
        Ok(Watcher { stop, seen, newest_ms, thread: Some(thread) })
    }
    /// Records that were seen.
    pub(crate) fn seen(&self) -> i64 {
        self.seen.load(Ordering::Relaxed)
    }
    /// When the newest event was made that has come through.
    pub(crate) fn newest_ms(&self) -> i64 {
        self.newest_ms.load(Ordering::Relaxed)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
