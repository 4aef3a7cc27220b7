//! Splits: a partition with the position up to which it was read.
//!
//! Invariants: which subtask reads a partition depends on topic, partition and
//! parallelism alone, so all subtasks agree without talking, after every rescale;
//! the stored position is the offset of the next record to read.
//! Source of the owner rule: Flink's `KafkaSourceEnumerator`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Operator state: one [`KafkaSplit`] for each partition.
pub(crate) const SPLITS_STATE: &str = "kafka-splits-v1";
/// Operator state: present as soon as the first list of partitions was read; partitions
/// that appear later are new and start at their beginning.
pub(crate) const DISCOVERED_STATE: &str = "kafka-initial-discovery-v1";

/// A position before the first record, wherever that is by then.
pub(crate) const EARLIEST: i64 = -2;

/// A partition's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic '{}' partition {}", self.topic, self.partition)
    }
}

/// What is stored of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KafkaSplit {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The next offset to read, or [`EARLIEST`].
    pub(crate) next_offset: i64,
    /// The first offset that is not read any more.
    pub(crate) stop_offset: Option<i64>,
    /// Kafka's id of the topic, when the broker tells it: another topic of the same name
    /// has another.
    pub(crate) topic_id: Option<String>,
}

impl KafkaSplit {
    pub(crate) fn new(partition: TopicPartition, next_offset: i64, stop: Option<i64>) -> Self {
        KafkaSplit {
            topic: partition.topic,
            partition: partition.partition,
            next_offset,
            stop_offset: stop,
            topic_id: None,
        }
    }
    pub(crate) fn name(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }
    pub(crate) fn is_finished(&self) -> bool {
        self.stop_offset.is_some_and(|stop| self.next_offset >= stop)
    }
}

/// The subtask that reads `partition`: partitions of a topic go round, from a start
/// that depends on the topic's name.
pub(crate) fn owner_of(partition: &TopicPartition, parallelism: usize) -> usize {
    // Java's String.hashCode, so that jobs moved from Flink keep their layout.
    let hash = partition
        .topic
        .encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let start = (hash.wrapping_mul(31) & 0x7FFF_FFFF) as usize % parallelism;
    (start + usize::try_from(partition.partition).unwrap_or(0)) % parallelism
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }

    #[test]
    fn partitions_of_a_topic_go_round_from_the_topics_start() {
        for parallelism in 1..6 {
            let first = owner_of(&partition("clicks", 0), parallelism);
            for p in 0..12 {
                let owner = owner_of(&partition("clicks", p), parallelism);
                assert_eq!(owner, (first + p as usize) % parallelism);
            }
        }
    }

    #[test]
    fn the_owner_is_pinned() {
        let owners = |topic| [1, 2, 3, 4, 7].map(|n| owner_of(&partition(topic, 0), n));
        // Java: ("a".hashCode() * 31 & 0x7fffffff) = 3007, ("ab" -> 3105) * 31 = 96255.
        assert_eq!(owners("a"), [0, 1, 3007 % 3, 3007 % 4, 3007 % 7]);
        assert_eq!(owners("ab"), [0, 1, 96255 % 3, 96255 % 4, 96255 % 7]);
    }

    #[test]
    fn a_split_is_finished_at_its_stop() {
        let split = |next, stop| KafkaSplit::new(partition("t", 0), next, stop);
        assert!(!split(5, None).is_finished());
        assert!(!split(EARLIEST, Some(0)).is_finished());
        assert!(!split(4, Some(5)).is_finished());
        assert!(split(5, Some(5)).is_finished());
    }
}
