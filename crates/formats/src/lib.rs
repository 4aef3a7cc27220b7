//! Formats: from bytes to records and back, and what to do with bytes that are neither.
//!
//! ```text
//!   bytes of a file ──Decoder──> record ──> ...job... ──> record ──Encoder──> bytes
//!                        └─ bad ──> BadRecords: fail | skip | dead letter
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`format`](mod@format) | the traits: a format makes decoders and encoders |
//! | [`lines`] | a record is a line of text |
//! | [`json`] | a record is a line of JSON, by serde |
//! | [`csv`](mod@csv) | a record is a row of CSV, by serde |
//! | [`policy`] | what happens to records that do not parse, counted |
//! | [`dead_letter`] | where they go with raw bytes, error and place |
//!
//! Invariant: a decoder neither reads nor seeks; it is given bytes and says how many of
//! them it used, so that a source can store a position behind every record.

pub mod csv;
pub mod dead_letter;
pub mod format;
pub mod json;
pub mod lines;
pub mod policy;

pub use csv::CsvFormat;
pub use dead_letter::{DeadLetter, DeadLetterQueue, DeadLetterWriter, FileDeadLetterQueue};
pub use format::{Decoded, Decoder, Encoder, ReadFormat, WriteFormat};
pub use json::JsonLinesFormat;
pub use lines::LinesFormat;
pub use policy::{BadRecords, ParsePolicy};
