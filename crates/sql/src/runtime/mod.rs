//! The vectorized streaming operators of Flink SQL, on the engine's operator contract.
//!
//! A plan is turned into operators by their *specs*: plain structs of column indices and
//! aggregate calls. Expressions are not seen here: a projection in front of an operator has
//! already computed every column that the spec names.

pub mod agg;
pub mod change_batch;
pub mod changelog_normalize;
pub mod correlate;
pub mod deduplicate;
pub mod drop_update_before;
pub mod expand;
pub mod group_aggregate;
pub mod join;
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
