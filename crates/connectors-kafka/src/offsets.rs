//! Where reading starts, and where it ends.
//!
//! Before data flows, once per partition; restored positions win over this.
//!
//! Invariant: every answer is an offset (or "the beginning"), so that a position can
//! be stored before the first record was read, and `latest` is a fixed place.

use crate::client::{Cluster, Connection, Deadline};
use crate::error::{code_of, out_of_range, request};
use crate::split::{EARLIEST, TopicPartition};
use millstream_core::{Error, Result};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;

/// What to do where a group has committed nothing, or where it committed is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// Start at the first record.
    Earliest,
    /// Start behind the last record.
    Latest,
    /// Refuse to start.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Earliest,
    Latest,
    Committed(OffsetReset),
    Timestamp(i64),
    Offsets(BTreeMap<TopicPartition, i64>),
}

/// Where to start or stop reading, by partition. Flink's class of the same name.
///
/// ```
/// use millstream_kafka::{OffsetReset, OffsetsInitializer};
/// let from_start = OffsetsInitializer::earliest();
/// let where_the_group_is = OffsetsInitializer::committed(OffsetReset::Earliest);
/// let since_2024 = OffsetsInitializer::timestamp(1_704_067_200_000);
/// let exactly = OffsetsInitializer::offsets([(("clicks", 0), 42), (("clicks", 1), 17)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsInitializer(Kind);

impl OffsetsInitializer {
    /// The first record of each partition.
    pub fn earliest() -> Self {
        OffsetsInitializer(Kind::Earliest)
    }
    /// Behind the last record that is there when the job starts.
    pub fn latest() -> Self {
        OffsetsInitializer(Kind::Latest)
    }
    /// Where the consumer group has committed, or else `reset`. Needs a group id.
    pub fn committed(reset: OffsetReset) -> Self {
        OffsetsInitializer(Kind::Committed(reset))
    }
    /// The first record whose timestamp is at or after `timestamp_ms` (since 1970); the
    /// end where there is none.
    pub fn timestamp(timestamp_ms: i64) -> Self {
        OffsetsInitializer(Kind::Timestamp(timestamp_ms))
    }
    /// These offsets, by topic and partition. As a start, partitions that are not named
    /// start at the first record; as an end, all must be named.
    pub fn offsets<S: Into<String>>(offsets: impl IntoIterator<Item = ((S, i32), i64)>) -> Self {
        let entry = |((topic, partition), offset): ((S, i32), i64)| {
            (TopicPartition { topic: topic.into(), partition }, offset)
        };
        OffsetsInitializer(Kind::Offsets(offsets.into_iter().map(entry).collect()))
    }

    pub(crate) fn needs_group(&self) -> bool {
        matches!(self.0, Kind::Committed(_))
    }

    /// Checks that need no broker; `option` is the builder's method.
    pub(crate) fn validate(&self, option: &str, is_end: bool) -> Result<()> {
        match &self.0 {
            Kind::Earliest if is_end => {
                Err(Error::config(format!("{option}(earliest()) would read nothing"))
                    .advice("use latest(), timestamp(..) or offsets(..)"))
            }
            Kind::Timestamp(t) if *t < 0 => {
                Err(Error::config(format!("{option}: timestamp {t} is before 1970"))
                    .advice("give milliseconds since 1970, in UTC"))
            }
            Kind::Offsets(offsets) => match offsets.iter().find(|(_, o)| **o < 0) {
                Some((partition, offset)) => Err(Error::config(format!(
                    "{option}: offset {offset} of {partition} is negative"
                ))
                .advice("offsets count from 0; use earliest() or latest() for the ends")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Partitions that are named but not among the `known` ones of their topic.
    pub(crate) fn check_named(&self, known: &[TopicPartition]) -> Result<()> {
        let Kind::Offsets(offsets) = &self.0 else { return Ok(()) };
        match offsets.keys().find(|p| !known.contains(p)) {
            Some(missing) => Err(Error::config(format!(
                "offsets(..) names {missing}, which is not among the partitions to read"
            ))
            .advice("fix topic or partition number; partitions count from 0")),
            None => Ok(()),
        }
    }

    /// The start of each partition: an offset, or [`EARLIEST`].
    pub(crate) fn starts(
        &self,
        of: &[TopicPartition],
        with: &Connection,
        deadline: Deadline,
    ) -> Result<Vec<i64>> {
        match &self.0 {
            Kind::Earliest => Ok(vec![EARLIEST; of.len()]),
            Kind::Latest => of.iter().map(|p| Ok(range_of(p, with, deadline)?.1)).collect(),
            Kind::Timestamp(timestamp) => by_timestamp(*timestamp, of, with, deadline),
            Kind::Committed(reset) => committed(*reset, of, with, deadline),
            Kind::Offsets(offsets) => {
                Ok(of.iter().map(|p| offsets.get(p).copied().unwrap_or(EARLIEST)).collect())
            }
        }
    }

    /// The end of each partition: the first offset that is not read.
    pub(crate) fn stops(
        &self,
        of: &[TopicPartition],
        with: &Connection,
        deadline: Deadline,
    ) -> Result<Vec<i64>> {
        let Kind::Offsets(offsets) = &self.0 else { return self.starts(of, with, deadline) };
        let stop = |p: &TopicPartition| {
            offsets.get(p).copied().ok_or_else(|| {
                Error::config(format!("the end offsets do not name {p}"))
                    .advice("name every partition, or use latest() or timestamp(..)")
            })
        };
        of.iter().map(stop).collect()
    }
}

/// First offset, and the one behind the last (of what this client may read).
pub(crate) fn range_of(
    of: &TopicPartition,
    with: &Connection,
    deadline: Deadline,
) -> Result<(i64, i64)> {
    retrying(&format!("the offsets of {of}"), with, deadline, || {
        with.consumer.fetch_watermarks(&of.topic, of.partition, deadline.remaining())
    })
}

/// Fails when a position lies outside of its partition.
pub(crate) fn check_range(
    of: &TopicPartition,
    offset: i64,
    with: &Connection,
    deadline: Deadline,
) -> Result<()> {
    let (low, high) = range_of(of, with, deadline)?;
    if offset == EARLIEST || (low..=high).contains(&offset) {
        return Ok(());
    }
    Err(out_of_range(&of.topic, of.partition, offset, (low, high)))
}

/// Asks again while the answer is one that librdkafka itself would retry.
fn retrying<R>(
    what: &str,
    with: &Connection,
    deadline: Deadline,
    mut ask: impl FnMut() -> rdkafka::error::KafkaResult<R>,
) -> Result<R> {
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(e) => {
                with.serve_events();
                with.check_login()?;
                if !crate::error::is_transient(code_of(&e)) {
                    return Err(request(what, &e));
                }
                if deadline.passed() {
                    return Err(match code_of(&e) {
                        RDKafkaErrorCode::OperationTimedOut => with.no_answer(),
                        _ => request(what, &e),
                    });
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }
}

fn by_timestamp(
    timestamp: i64,
    of: &[TopicPartition],
    with: &Connection,
    deadline: Deadline,
) -> Result<Vec<i64>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let found = retrying("the offsets of a timestamp", with, deadline, || {
        let mut list = TopicPartitionList::with_capacity(of.len());
        for p in of {
            list.add_partition_offset(&p.topic, p.partition, Offset::Offset(timestamp))?;
        }
        with.consumer.offsets_for_times(list, deadline.remaining())
    })?;
    of.iter()
        .map(|p| match found.find_partition(&p.topic, p.partition).map(|e| e.offset()) {
            Some(Offset::Offset(offset)) if offset >= 0 => Ok(offset),
            _ => Ok(range_of(p, with, deadline)?.1),
        })
        .collect()
}

fn committed(
    reset: OffsetReset,
    of: &[TopicPartition],
    with: &Connection,
    deadline: Deadline,
) -> Result<Vec<i64>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let found = retrying("the group's committed offsets", with, deadline, || {
        let mut list = TopicPartitionList::with_capacity(of.len());
        for p in of {
            list.add_partition(&p.topic, p.partition);
        }
        with.consumer.committed_offsets(list, deadline.remaining())
    })?;
    let group = with.properties.get("group.id").unwrap_or_default();
    of.iter()
        .map(|p| {
            let range = range_of(p, with, deadline)?;
            let offset = match found.find_partition(&p.topic, p.partition).map(|e| e.offset()) {
                Some(Offset::Offset(offset)) => Some(offset),
                _ => None,
            };
            match (offset, reset) {
                (Some(offset), _) if (range.0..=range.1).contains(&offset) => Ok(offset),
                (_, OffsetReset::Earliest) => Ok(EARLIEST),
                (_, OffsetReset::Latest) => Ok(range.1),
                (Some(offset), OffsetReset::None) => {
                    Err(out_of_range(&p.topic, p.partition, offset, range))
                }
                (None, OffsetReset::None) => {
                    Err(Error::config(format!("group '{group}' has committed no offset for {p}"))
                        .advice(
                            "choose OffsetReset::Earliest or Latest, or other starting offsets",
                        ))
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_cannot_be_are_refused_by_option() {
        let refused = |o: OffsetsInitializer, end| {
            o.validate("bounded", end).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(refused(OffsetsInitializer::earliest(), true).contains("would read nothing"));
        assert_eq!(refused(OffsetsInitializer::earliest(), false), "");
        assert!(refused(OffsetsInitializer::timestamp(-1), false).contains("before 1970"));
        let negative = OffsetsInitializer::offsets([(("t", 3), -1)]);
        assert!(refused(negative, false).contains("offset -1 of topic 't' partition 3"));
    }

    #[test]
    fn named_partitions_must_exist() {
        let named = OffsetsInitializer::offsets([(("t", 0), 5), (("t", 9), 5)]);
        let known = [0, 1].map(|partition| TopicPartition { topic: "t".into(), partition });
        let error = named.check_named(&known).unwrap_err().to_string();
        assert!(error.contains("topic 't' partition 9"), "{error}");
    }
}
