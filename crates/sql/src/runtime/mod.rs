//! The vectorized streaming operators of Flink SQL, on the engine's operator contract.
//!
//! A plan is turned into operators by their *specs*: plain structs of column indices and
//! aggregate calls. Expressions are not seen here: a projection in front of an operator has
//! already computed every column that the spec names.

pub mod change_batch;
pub mod spec;

pub use change_batch::{ChangeBatch, ChangeKind};
