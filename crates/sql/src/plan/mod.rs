//! Plans: what a query means, how streams compute it, what the runtime runs.
//!
//! ```text
//!   bind ──> logical ──translate──> stream ──job──> runtime's job graph
//!            (Rel)     condition    (operators'      adapters: sources, calc, sinks
//!                                    specs)
//! ```

pub(crate) mod adapters;
pub(crate) mod condition;
pub(crate) mod explain;
pub(crate) mod job;
pub mod logical;
pub(crate) mod lookups;
pub mod stream;
pub(crate) mod translate;
