//! Flink's SQL on Millstream.
//!
//! ```text
//!   text ──parse──> statement ──bind──> logical plan ──plan──> streaming plan ──> job graph
//!                       catalog ─┘ types, functions              change kinds,     runtime's
//!                                                                time attributes   operators
//! ```
//!
//! Modules in the order of that path.

pub mod nearest;
pub mod dialect;
