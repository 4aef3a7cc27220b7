//! The ledger: a topic that remembers which transactions were committed.
//!
//! Every transaction writes one record into it, keyed by a nonce. A record that a
//! read_committed reader sees proves the commit, long after the broker has forgotten the
//! producer; its absence, once nothing is open any more, proves the abort.
//!
//! Keys never repeat, so there is nothing to compact: records leave by age
//! ([`RETENTION_MS`]), and are found by their timestamp, which is the transaction's start.
//! One topic a prefix: an open transaction of another sink would hide what comes after it.

use crate::properties::Properties;
use crate::raw::RawCluster;
use crate::transactions::committable::Transaction;
use millstream_core::{Error, Result};
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// 30 days: how old a checkpoint may be and still be told from a lost one.
pub(crate) const RETENTION_MS: &str = "2592000000";
const TRY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes the topic, unless it is there.
pub(crate) fn create(raw: &mut RawCluster, topic: &str) -> Result<()> {
    let settings = [
        ("cleanup.policy", "delete"),
        ("retention.ms", RETENTION_MS),
        ("message.timestamp.type", "CreateTime"),
    ];
    raw.create_topic(topic, &settings)
}

fn consumer(properties: &Properties, isolation: &str) -> Result<BaseConsumer> {
    let mut config = properties.of_connection().client_config();
    config
        .set("group.id", "millstream-ledger") // asked for by the client; nothing is stored
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation);
    BaseConsumer::from_config(&config).map_err(|e| properties.refused(e))
}

fn failed(topic: &str, error: &KafkaError) -> Error {
    Error::retry(format!("the ledger '{topic}' cannot be read: {error}"))
        .advice("check the brokers; the topic must not be deleted while checkpoints exist")
}

/// Where read_committed readers stop, and where the topic ends.
pub(crate) fn ends(properties: &Properties, topic: &str) -> Result<(i64, i64)> {
    let end = |isolation: &str| -> Result<i64> {
        let (_, end) = consumer(properties, isolation)?
            .fetch_watermarks(topic, 0, TRY)
            .map_err(|e| failed(topic, &e))?;
        Ok(end)
    };
    // In this order: a transaction that begins in between makes the first one smaller.
    Ok((end("read_committed")?, end("read_uncommitted")?))
}

/// Reads the committed records of `topic` from `start` on to its end, as long as `each`
/// says so.
fn read(
    properties: &Properties,
    topic: &str,
    start: Offset,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> bool,
) -> Result<()> {
    let reader = consumer(properties, "read_committed")?;
    let fail = |e: KafkaError| failed(topic, &e);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, start).map_err(fail)?;
    reader.assign(&list).map_err(fail)?;
    let mut heard = Instant::now();
    loop {
        match reader.poll(Duration::from_millis(200)) {
            Some(Ok(record)) => {
                heard = Instant::now();
                if !each(&record) {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => return Err(failed(topic, &error)),
            None if heard.elapsed() >= PATIENCE => {
                return Err(Error::retry(format!("the ledger '{topic}' does not answer")));
            }
            None => {}
        }
    }
}

/// Calls `each` for every committed record.
#[cfg(test)]
pub(crate) fn each(
    properties: &Properties,
    topic: &str,
    mut each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<()> {
    read(properties, topic, Offset::Beginning, |record| {
        each(record);
        true
    })
}

/// Which of these transactions were committed, by the key of their record. Nothing may be
/// open that could still change the answer; waits until the brokers have written the ends of
/// what was.
pub(crate) fn committed(
    properties: &Properties,
    topic: &str,
    transactions: &[&Transaction],
) -> Result<BTreeSet<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (stable, high) = ends(properties, topic)?;
        if stable >= high {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Error::retry(format!(
                "the ledger '{topic}' has an open transaction at offset {stable} of {high}"
            ))
            .advice("stop whoever else writes with this prefix, or wait for its timeout"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let start = start_of(properties, topic, transactions)?;
    let wanted: BTreeSet<String> = transactions.iter().map(|t| t.key()).collect();
    let mut seen = BTreeSet::new();
    read(properties, topic, start, |record| {
        if let Some(Ok(key)) = record.key().map(std::str::from_utf8)
            && wanted.contains(key)
        {
            seen.insert(key.to_owned());
        }
        seen.len() < wanted.len()
    })?;
    Ok(seen)
}

/// Where the oldest of them has its record, at the earliest.
fn start_of(properties: &Properties, topic: &str, of: &[&Transaction]) -> Result<Offset> {
    let fail = |e: KafkaError| failed(topic, &e);
    let oldest_ms = of.iter().map(|t| t.start_ms).min().unwrap_or(0).max(0);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(oldest_ms)).map_err(fail)?;
    let found = consumer(properties, "read_uncommitted")?.offsets_for_times(list, TRY);
    let start = found.map_err(fail)?.elements().first().map(|e| e.offset());
    // None so young: the topic is read whole, which is never wrong.
    Ok(start.filter(|o| matches!(o, Offset::Offset(_))).unwrap_or(Offset::Beginning))
}
