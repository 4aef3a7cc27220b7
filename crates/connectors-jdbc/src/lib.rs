//! PostgreSQL for Millstream: a sink in the role of Flink's JDBC
//! connector.
//!
//! ```text
//!   rows ─> writer ── batches of UNNEST arrays ─────────────────> table     at least once,
//!                                                                           upsert by key
//!   rows ─> writer ── the epoch's rows are part of its checkpoint           exactly once
//!                └─> committer: rows + progress, in one transaction ─> table
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`JdbcSink`] | builder; what is checked before data flows |
//! | [`SqlValue`], [`IntoSql`] | values of columns |
//!
//! Invariants: identifiers are quoted, values are bound, the search path is fixed; a
//! password is never shown; what the sink promises is in docs/guarantees.md.
//!
//! Absent on purpose: TLS (a URL that asks for it is refused), other databases, and XA: log
//! then publish needs no setting of the server and holds no locks between checkpoints.

mod committer;
mod config;
mod database;
mod error;
mod sink;
mod statement;
mod table;
mod value;
mod writer;

pub use sink::{JdbcSink, JdbcSinkBuilder};
pub use value::{IntoSql, SqlType, SqlValue, TimestampMs};
