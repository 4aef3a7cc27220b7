//! Nexmark: an online auction as a stream of events, for benchmarks and tests.
//!
//! ```text
//!   event number ──> kind (1 person : 3 auctions : 46 bids)
//!        │                │
//!        └─ draw(seed, number, field) ──> one value of one column
//! ```
//!
//! A value is a pure function of (seed, event number, field): nothing is carried from
//! one event to the next. So any range of events can be made on any subtask, only the
//! columns that a query reads are made, and another language can make the same events
//! (the benchmark's source for Flink does, and a checksum shows it).
//!
//! The model (proportions, hot items, ids that run ahead, how long an auction stays open)
//! is that of the Nexmark suite of Apache Beam and of nexmark-flink; the random numbers
//! are our own. Source: Tucker et al., "NEXMark: a benchmark for queries over data
//! streams", 2002.
//!
//! Invariant: bids name auctions and people that exist or will exist within the next
//! ten of their kind.

mod auction;
mod batch;
mod bid;
mod checksum;
mod config;
mod draw;
mod ids;
mod person;
mod side_input;

pub use batch::{Column, ColumnMaker, EventKind, batch, event_schema, is_of_kind};
pub use checksum::Checksum;
pub use config::NexmarkConfig;
pub use side_input::side_input;
