//! The requests about transactions, and what their answers mean.
//!
//! On top of `cluster`. What the broker says to EndTxn(commit) for a producer id and epoch
//! that match (seen on Kafka 4.1, docs/decisions/0005):
//!
//! | state | answer | here |
//! |---|---|---|
//! | Ongoing | none | committed |
//! | PrepareCommit | CONCURRENT_TRANSACTIONS | tried again |
//! | CompleteCommit | none | committed (before) |
//! | anything else, or another epoch | INVALID_TXN_STATE, fenced, not found | [`Ended::Unclear`] |

use super::cluster::{RawCluster, Try, outcome};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
    ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use millstream_core::{Error, Result};
use std::time::Duration;

/// The newest EndTxn that leaves the producer's epoch as it is, so that it can be repeated.
const END_TXN: i16 = 4;

/// A transactional id as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit`, and so on.
    pub(crate) state: String,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// -1: none is open.
    pub(crate) start_ms: i64,
    pub(crate) topics: Vec<String>,
}

/// A transactional id with a transaction that is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) producer_id: i64,
}

/// What became of a transaction that was to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is ended as asked, now or before.
    Done,
    /// The coordinator does not hold it any more, for this reason: it may have been ended
    /// either way.
    Unclear(String),
}

fn id_of(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

impl RawCluster {
    /// Fences whoever uses `id`, aborts its open transaction, and answers the new producer
    /// id and epoch.
    pub(crate) fn init_producer_id(&mut self, id: &str, timeout: Duration) -> Result<(i64, i16)> {
        let what = format!("fence the transactional id '{id}'");
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        self.retry(&what, |cluster, deadline| {
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(id_of(id)))
                .with_transaction_timeout_ms(timeout_ms)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let answer = match cluster.call_coordinator(id, &request, 4, deadline)? {
                Try::Done(answer) => answer,
                Try::Again(why) => return Ok(Try::Again(why)),
                Try::Moved(why) => return Ok(Try::Moved(why)),
            };
            match ResponseError::try_from_code(answer.error_code) {
                None => Ok(Try::Done((answer.producer_id.0, answer.producer_epoch))),
                Some(error) => outcome(error, &what),
            }
        })
    }

    /// Ends the transaction of this producer id and epoch, from any process.
    pub(crate) fn end_transaction(
        &mut self,
        id: &str,
        producer_id: i64,
        producer_epoch: i16,
        commit: bool,
    ) -> Result<Ended> {
        let verb = if commit { "commit" } else { "abort" };
        let what = format!("{verb} the transaction of '{id}'");
        self.retry(&what, |cluster, deadline| {
            let request = EndTxnRequest::default()
                .with_transactional_id(id_of(id))
                .with_producer_id(ProducerId(producer_id))
                .with_producer_epoch(producer_epoch)
                .with_committed(commit);
            let answer = match cluster.call_coordinator(id, &request, END_TXN, deadline)? {
                Try::Done(answer) => answer,
                Try::Again(why) => return Ok(Try::Again(why)),
                Try::Moved(why) => return Ok(Try::Moved(why)),
            };
            use ResponseError as E;
            match ResponseError::try_from_code(answer.error_code) {
                None => Ok(Try::Done(Ended::Done)),
                Some(
                    error @ (E::InvalidProducerEpoch
                    | E::ProducerFenced
                    | E::InvalidTxnState
                    | E::InvalidProducerIdMapping
                    | E::UnknownProducerId
                    | E::TransactionalIdNotFound),
                ) => Ok(Try::Done(Ended::Unclear(format!("{error:?}")))),
                Some(error) => outcome(error, &what),
            }
        })
    }

    /// What the coordinators know of these ids, in the same order; `None`: nothing.
    pub(crate) fn describe_transactions(&mut self, ids: &[&str]) -> Result<Vec<Option<Described>>> {
        ids.iter().map(|id| self.describe_transaction(id)).collect()
    }

    fn describe_transaction(&mut self, id: &str) -> Result<Option<Described>> {
        let what = format!("describe the transaction of '{id}'");
        self.retry(&what, |cluster, deadline| {
            let request =
                DescribeTransactionsRequest::default().with_transactional_ids(vec![id_of(id)]);
            let answer = match cluster.call_coordinator(id, &request, 0, deadline)? {
                Try::Done(answer) => answer,
                Try::Again(why) => return Ok(Try::Again(why)),
                Try::Moved(why) => return Ok(Try::Moved(why)),
            };
            let Some(state) = answer.transaction_states.into_iter().next() else {
                return Err(Error::restart(format!("{what}: the answer is empty")));
            };
            match ResponseError::try_from_code(state.error_code) {
                None => Ok(Try::Done(Some(Described {
                    state: state.transaction_state.to_string(),
                    producer_id: state.producer_id.0,
                    producer_epoch: state.producer_epoch,
                    start_ms: state.transaction_start_time_ms,
                    topics: state.topics.iter().map(|t| t.topic.to_string()).collect(),
                }))),
                Some(ResponseError::TransactionalIdNotFound) => Ok(Try::Done(None)),
                Some(error) => outcome(error, &what),
            }
        })
    }

    /// The ids that start with `prefix` and have an open transaction, of all brokers.
    pub(crate) fn open_transactions(&mut self, prefix: &str) -> Result<Vec<Listed>> {
        let (_, brokers) = self.describe()?;
        let what = format!("list the transactions of '{prefix}'");
        self.retry(&what, |cluster, deadline| {
            let mut found = Vec::new();
            for broker in &brokers {
                let request = ListTransactionsRequest::default()
                    .with_state_filters(vec![StrBytes::from_static_str("Ongoing")]);
                // From version 1 on there are more filters; the prefix is ours to test.
                let answer = cluster.call(broker, &request, 0, deadline)?;
                match ResponseError::try_from_code(answer.error_code) {
                    None => {}
                    Some(error) => return outcome(error, &what),
                }
                let states = answer.transaction_states.into_iter();
                found.extend(states.map(|s| Listed {
                    id: s.transactional_id.to_string(),
                    producer_id: s.producer_id.0,
                }));
            }
            found.retain(|listed| listed.id.starts_with(prefix));
            found.sort();
            found.dedup();
            Ok(Try::Done(found))
        })
    }
}
