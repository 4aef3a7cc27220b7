//! Tables and streams of one job: Flink's `StreamTableEnvironment`.
//!
//! ```text
//!   DataStream<T> ──from_data_stream──> table ─┐
//!   DataStream<(RowKind, T)>                   ├─ sql_query ─> Table ──to_data_stream──> DataStream<Row>
//!      └──from_changelog_stream──────> table ──┘                └────to_changelog_stream─> DataStream<(RowKind, Row)>
//! ```
//! Operators of both kinds stand in one job graph, so they have the same checkpoints, restarts
//! and savepoints; watermarks pass through in both directions.
//!
//! - [`environment`]: what a program calls. [`schema`]: columns of a stream.
//! - [`from_stream`], [`to_stream`]: the operators where one becomes the other.
//! - [`encode`], [`decode`]: records to columns and back, with serde. [`row`]: a record whose
//!   type is known when the job is built.
//!
//! Invariant: a table changes nothing of the job until it is made a stream, and then only once
//! its whole plan is known to be good.
//!
//! Source: Flink's page "DataStream API Integration".

mod decode;
mod encode;
mod environment;
mod failure;
mod from_stream;
mod row;
mod schema;
mod to_stream;

pub use environment::{StreamStatementSet, StreamTableEnvironment, Table};
pub use row::Row;
pub use schema::{Schema, SchemaBuilder};

pub use crate::connectors::Changes as ChangelogMode;
pub use crate::runtime::ChangeKind as RowKind;
