//! What happens to a record that the deserializer refuses.
//!
//! Between the partition's queue and the batch for the task.
//! Invariant: every refused record ends the job, or is counted.

/// What to do with a record that cannot be read.
///
/// ```
/// use millstream_kafka::ParsePolicy;
/// assert_eq!(ParsePolicy::default(), ParsePolicy::Fail);
/// let policy = ParsePolicy::dead_letter("clicks-unreadable");
/// assert_eq!(policy, ParsePolicy::DeadLetter { topic: "clicks-unreadable".into() });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ParsePolicy {
    /// End the attempt with an error that names topic, partition and offset.
    #[default]
    Fail,
    /// Drop the record; counted in `numRecordsInErrors` and `numParseErrorsSkipped`.
    Skip,
    /// Write the record as it is to a Kafka topic, with what went wrong in headers:
    /// `millstream.error`, `millstream.topic`, `millstream.partition` and
    /// `millstream.offset` (text). Counted in `numRecordsInErrors` and
    /// `numParseErrorsDeadLettered`. Dead letters are safe before the checkpoint that
    /// covers their records; after a failure some may be written twice.
    DeadLetter {
        /// The topic to write to; it must exist.
        topic: String,
    },
}

impl ParsePolicy {
    /// [`ParsePolicy::DeadLetter`] to this topic.
    pub fn dead_letter(topic: impl Into<String>) -> Self {
        ParsePolicy::DeadLetter { topic: topic.into() }
    }
}
