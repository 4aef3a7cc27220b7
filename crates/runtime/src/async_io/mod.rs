//! Asynchronous I/O: enriching records with answers of outside systems
//! (Flink's `AsyncDataStream`).
//!
//! ```text
//!   batch ──> waiting ──start, at most `capacity`──> in flight ──> done ──emit──> out
//!             (rest of     (a task of the I/O        (answer,     (in order, or as
//!              the batch)   runtime per record)       retry,       they come)
//!                                                     timeout)
//! ```
//!
//! In a chain, like any operator: the worker's thread never waits for an answer. A task
//! that has one wakes the worker, which emits it; timeouts and pauses between retries are
//! processing-time timers of the operator, so that a test decides when they are due.
//!
//! Invariants: at most `capacity` records are in flight or wait for their turn to be
//! emitted; a result never overtakes a watermark, nor is it overtaken by one; a result has
//! the event time of its input; every input is emitted, stored by a snapshot, or ends the
//! job with an error that names it, also when its future panics.
//! Source of the semantics: Flink's "Asynchronous I/O for External Data Access".

mod function;
mod invocation;
mod operator;
mod options;
mod retry;

pub use function::AsyncFunction;
pub use invocation::shared_runtime;
pub use operator::AsyncWaitOperator;
pub use options::{AsyncOptions, OutputMode};
pub use retry::RetryStrategy;
