//! A small client for the transaction requests that librdkafka has no calls for.
//!
//! ```text
//!   transactions   InitProducerId, EndTxn, DescribeTransactions, ListTransactions
//!   topics         CreateTopics
//!        │         what the answers mean; what is tried again
//!   cluster        bootstrap, brokers, coordinators
//!        │
//!   connection     one socket: framing, versions, timeouts, size limits
//! ```
//!
//! Beside librdkafka, which sends the records: this client ends, describes, lists and
//! fences transactions from any process. The codec is the crate `kafka-protocol`.
//!
//! Invariants: every call returns within its deadline; no answer makes it allocate more than
//! [`connection::MAX_RESPONSE_BYTES`]; it never ends a transaction with a version of EndTxn
//! that would bump the producer's epoch.
//!
//! Absent on purpose: TLS and SASL. Sinks that need them are refused before data flows.

mod cluster;
mod connection;
mod topics;
mod transactions;

#[cfg(test)]
mod tests;

pub(crate) use cluster::RawCluster;
pub(crate) use transactions::Ended;
