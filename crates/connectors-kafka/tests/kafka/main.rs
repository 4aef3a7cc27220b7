//! Source and sink against a real Kafka; `scripts/kafka start` gives one.
//!
//! Every test makes topics of its own and deletes them, so that tests run together
//! and again. Failures that a shared broker cannot be asked for (it goes away) come
//! from librdkafka's own broker in this process.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, outside of #[test]

mod broker;
mod crash;
mod exactly_once;
mod failures;
mod outage;
mod positions;
#[cfg(feature = "tls")]
mod secure;
mod sink;
mod source;
