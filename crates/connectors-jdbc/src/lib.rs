//! PostgreSQL for Millstream, in the role of Flink's JDBC connector: a sink, a bounded scan,
//! lookups by key.
//!
//! ```text
//!   rows ─> writer ── batches of UNNEST arrays ─────────────────> table     at least once,
//!                                                                           upsert by key
//!   rows ─> writer ── the epoch's rows are part of its checkpoint           exactly once
//!                └─> committer: rows + progress, in one transaction ─> table
//!   scan   <── fetch ── cursor ── SELECT columns, a range of a split <── table
//!   lookup <── rows by key ── JOIN of UNNEST arrays of keys <─────────── table
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`JdbcSink`] | builder; what is checked before data flows |
//! | [`SqlValue`], [`IntoSql`] | values of columns that are written |
//! | [`JdbcTable`], [`JdbcCursor`], [`JdbcLookup`] | a table that is read |
//! | [`PgType`], [`PgValue`] | types and values of columns that are read |
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
mod lookup;
mod scan;
mod sink;
mod statement;
mod table;
mod value;
mod wire;
mod writer;

pub use config::ConnectionConfig;
pub use lookup::JdbcLookup;
pub use scan::{JdbcColumn, JdbcCursor, JdbcRow, JdbcTable};
pub use sink::{JdbcSink, JdbcSinkBuilder};
pub use value::{IntoSql, SqlType, SqlValue, TimestampMs};
pub use wire::{Numeric, PgArray, PgType, PgValue};
