//! Plans: what a query means, how streams compute it, what the runtime runs.
//!
//! ```text
//!   bind ──> logical ──prune, translate──> stream ──job──> runtime's job graph
//!            (Rel)         condition       (operators'      adapters: sources, calc, sinks
//!                                           specs)       uid: which state is whose
//! ```

pub(crate) mod adapters;
pub(crate) mod calc;
pub(crate) mod condition;
pub(crate) mod empty;
pub(crate) mod explain;
pub(crate) mod gate;
pub(crate) mod job;
pub mod logical;
pub(crate) mod lookups;
pub(crate) mod prune;
pub mod stream;
pub(crate) mod translate;
pub(crate) mod uid;
