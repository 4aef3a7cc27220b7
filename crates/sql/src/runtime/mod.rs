//! The vectorized streaming operators of Flink SQL, on the engine's operator contract.
//!
//! A plan is turned into operators by their *specs*: plain structs of column indices and
//! aggregate calls. Expressions are not seen here: a projection in front of an operator has
//! already computed every column that the spec names.

pub mod agg;
pub mod change_batch;
pub mod group_aggregate;
pub mod partition;
pub mod row;
pub mod spec;
pub mod state_table;
#[cfg(test)]
pub(crate) mod testing;

pub use change_batch::{ChangeBatch, ChangeKind};
