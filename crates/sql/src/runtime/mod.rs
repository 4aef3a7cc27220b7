//! The vectorized streaming operators of Flink SQL, on the engine's operator contract.
//!
//! ```text
//!   source ─> watermark ─> (project, filter) ─> partition ═> keyed operator ─> ... ─> sink
//!   ChangeBatch: columns and change kinds                    KeyTable: key bytes -> slots
//! ```
//! A plan is turned into operators by their *specs*: plain structs of column indices and
//! aggregate calls. Expressions are not seen here: a projection in front of an operator has
//! already computed every column that the spec names.
//!
//! | what travels and what is kept | |
//! |---|---|
//! | [`change_batch`] | columns with change kinds; their form between processes |
//! | [`spec`] | what the planner says to each operator |
//! | [`row`] | rows as bytes: keys, and rows in state; [`sort_key`]: bytes that sort |
//! | [`partition`] | rows to the owners of their keys |
//! | [`state_table`] | keys to slots, TTL, how state is stored and restored |
//! | [`backing`] | slots as a cache in front of the job's state backend |
//! | [`agg`] | aggregate functions over slots; functions of the user's own |
//!
//! | operator | |
//! |---|---|
//! | [`watermark`] | WATERMARK FOR |
//! | [`group_aggregate`], [`expand`] | GROUP BY, DISTINCT; GROUPING SETS |
//! | [`window_table`], [`window_aggregate`], [`session`], [`window_rank`] | windows ([`window`]) |
//! | [`join`] | updating, interval, window, temporal and lookup joins |
//! | [`over`], [`updating_over`] | OVER by time, by other columns |
//! | [`top_n`], [`deduplicate`], [`sort`] | Top-N, LIMIT, one row a key, ORDER BY |
//! | [`set_operation`], [`correlate`] | INTERSECT, EXCEPT; UNNEST and table functions |
//! | [`changelog_normalize`], [`upsert_materialize`], [`drop_update_before`] | forms of changelogs |
//!
//! Invariants: the columns that come out have the types of the spec's `output`; an operator
//! that was restored answers as the one that was stored, at any parallelism; rows that are
//! dropped because they are late are counted in `numLateRecordsDropped`.

pub mod agg;
pub mod backing;
pub mod change_batch;
pub mod changelog_normalize;
pub mod correlate;
pub mod deduplicate;
pub mod drop_update_before;
pub mod expand;
pub mod group_aggregate;
pub mod join;
pub mod mini_batch;
pub mod over;
pub mod partition;
pub mod row;
pub mod session;
pub mod set_operation;
pub mod sort;
pub mod sort_key;
pub mod spec;
pub mod state_table;
#[cfg(test)]
pub(crate) mod testing;
pub mod top_n;
pub mod updating_over;
pub mod upsert_materialize;
pub mod watermark;
pub mod window;
pub mod window_aggregate;
pub mod window_rank;
pub mod window_table;

pub use change_batch::{ChangeBatch, ChangeKind};
