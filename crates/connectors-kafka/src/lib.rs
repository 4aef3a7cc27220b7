//! Kafka source and sink of Millstream, on librdkafka.
//!
//! ```text
//!  brokers ─> librdkafka ─> partition_queue ─> fetcher ──────────> reader ─> job
//!                           (one per split)    (own thread:        (task)     │
//!                                               deserialize)                  │
//!  brokers <─ librdkafka <─ producer <────────────────────────────── sink <───┘
//!     ^                                                               │
//!     └───── raw <──────── transactions (exactly once) <──────────────┘
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`KafkaSource`], [`KafkaSink`] | builders; what is checked before data flows |
//! | [`de`], [`ser`] | bytes to values and back |
//! | [`KafkaRecord`], [`ProducerRecord`] | a record on its way in, and out |
//! | [`OffsetsInitializer`] | where reading starts and ends |
//! | [`ParsePolicy`] | records that cannot be read; of the formats crate |
//!
//! # Cargo features
//! librdkafka is built from source with cc and make; all four compressions can be
//! read. `tls`: encrypted connections, SCRAM and OAUTHBEARER, with the system's OpenSSL
//! (`tls-vendored`: built from source). `sasl`: Kerberos, with the system's libsasl2.
//! Options that need a feature which is not there are refused by its name.
//!
//! Invariant: a record that was fetched is emitted, counted as refused, or fetched
//! again after the next restore.

mod client;
mod committer;
pub mod de;
mod dead_letter;
mod discovery;
mod error;
mod fetcher;
mod offsets;
mod partition_queue;
mod producer;
mod properties;
mod raw;
mod reader;
mod record;
pub mod ser;
mod signal;
mod sink;
mod source;
mod split;
mod topic_ids;
mod transactions;

pub use millstream_formats::ParsePolicy;
pub use offsets::{OffsetReset, OffsetsInitializer};
pub use record::{Header, Headers, KafkaRecord, ProducerRecord};
pub use sink::{DeliveryGuarantee, KafkaSink, KafkaSinkBuilder};
pub use source::{IsolationLevel, KafkaSource, KafkaSourceBuilder};
