//! `jdbc`: tables of PostgreSQL.
//!
//! ```text
//!   ... ──ChangeBatch──> Encode ──JdbcRow──> JdbcSink        rows, or upserts by primary key
//!   JdbcCursor ──PgValue──> column builders ──ChangeBatch──> ...     a bounded scan
//!   keys ──> JdbcLookup ──PgValue──> column builders ──> lookup join
//! ```
//! The connection, its retries and the statements are those of `millstream-jdbc`. Options are
//! those of Flink's JDBC connector, types those of its dialect for PostgreSQL, and more.

mod config;
mod lookup;
mod scan;
mod sink;
mod url;
mod values;

pub(crate) use config::CONNECTOR;
