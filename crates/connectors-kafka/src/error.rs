//! Errors of the connector: which reaction, which words.
//!
//! Everything that librdkafka reports passes here on its way to the job's report.
//! Invariant: an error names the topic, partition or option, and what to do.

use millstream_core::Error;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::Duration;

/// The code of an error of librdkafka, when it has one.
pub(crate) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

/// What librdkafka retries on its own: brokers that come back, leaders that move.
pub(crate) fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as C;
    matches!(
        code,
        C::BrokerTransportFailure
            | C::AllBrokersDown
            | C::BrokerDestroy
            | C::Resolve
            | C::OperationTimedOut
            | C::TimedOutQueue
            | C::WaitingForCoordinator
            | C::WaitCache
            | C::Interrupted
            | C::Retry
            | C::State
            | C::RequestTimedOut
            | C::BrokerNotAvailable
            | C::ReplicaNotAvailable
            | C::LeaderNotAvailable
            | C::NotLeaderForPartition
            | C::NetworkException
            | C::CoordinatorLoadInProgress
            | C::CoordinatorNotAvailable
            | C::NotCoordinator
            | C::FencedLeaderEpoch
            | C::UnknownLeaderEpoch
            | C::OffsetNotAvailable
            | C::KafkaStorageError
    )
}

/// Whether the code says that a topic or partition is not there.
pub(crate) fn is_unknown_topic(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as C;
    matches!(
        code,
        C::UnknownTopic | C::UnknownTopicOrPartition | C::UnknownPartition | C::UnknownTopicId
    )
}

fn show(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

pub(crate) fn unreachable(servers: &str, waited: Duration, reason: &str) -> Error {
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    Error::retry(format!("no Kafka broker answers at '{servers}' within {}{reason}", show(waited)))
        .advice("check bootstrap_servers and that the broker runs; connect_timeout sets the wait")
}

pub(crate) fn gone(servers: &str, waited: Duration, reason: &str) -> Error {
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    Error::retry(format!(
        "the Kafka brokers at '{servers}' have been gone for {}{reason}",
        show(waited)
    ))
    .advice("start them again; broker_unavailable_timeout sets how long a running job waits")
}

pub(crate) fn authentication(servers: &str, reason: &str) -> Error {
    Error::config(format!("the Kafka brokers at '{servers}' refuse the login: {reason}"))
        .advice("check security.protocol, sasl.mechanism, sasl.username and sasl.password")
}

pub(crate) fn unknown_topic(topic: &str) -> Error {
    Error::config(format!("Kafka topic '{topic}' does not exist"))
        .advice("create it, or fix its name; topics are never created on first use")
}

pub(crate) fn not_allowed(topic: &str) -> Error {
    Error::config(format!("this user may not access Kafka topic '{topic}'"))
        .advice("grant the user (or the anonymous user) the topic's ACL")
}

pub(crate) fn deleted(topic: &str, partition: i32) -> Error {
    Error::config(format!(
        "Kafka topic '{topic}' was deleted while partition {partition} of it was being read"
    ))
    .advice("start without its stored positions if it is created again, or take it off the source")
}

pub(crate) fn out_of_range(topic: &str, partition: i32, offset: i64, range: (i64, i64)) -> Error {
    let (low, high) = range;
    Error::config(format!(
        "offset {offset} of topic '{topic}' partition {partition} is not there: the partition \
         holds {low} to {high}"
    ))
    .advice(
        "records were deleted before they were read, or the topic was created anew; start at \
         other offsets, or accept the gap with property 'auto.offset.reset'",
    )
}

/// A broker's answer that nothing above explains better.
pub(crate) fn request(what: &str, error: &KafkaError) -> Error {
    let code = code_of(error);
    if matches!(
        code,
        RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    ) {
        return Error::config(format!("{what}: {code}")).advice("grant this user the ACL");
    }
    Error::retry(format!("{what}: {code}")).advice("look at the broker's log")
}
