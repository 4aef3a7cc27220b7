//! `kafka` and `upsert-kafka`: topics as tables.
//!
//! ```text
//!   KafkaSource ──Message──> Decode ──ChangeBatch──> ...
//!   ... ──ChangeBatch──> Encode ──Outgoing──> KafkaSink
//! ```
//! `upsert-kafka` reads a value as the row of its key and a tombstone as its deletion, and
//! writes them so. Splits, positions and delivery are those of `millstream-kafka`.

mod config;
mod decode;
mod encode;

pub(crate) use config::{KAFKA, UPSERT_KAFKA};
