//! The only module that knows Timely: it runs tasks as Timely operators.
//!
//! ```text
//!   worker thread ── Timely worker ─┬─ operator per task: Host(task) ──edges──> ...
//!                                   └─ coordinator: epochs, completion, stop
//! ```
//!
//! Timely's timestamp is the checkpoint epoch, nothing else. A host keeps
//! capabilities at its current epoch, so the frontier that its consumers see passes
//! epoch `e` only when the host has *processed* all of `e` and captured its state.
//! Watermarks and idleness travel in-band. Every task has one more output that
//! carries nothing: the frontier of all of them together is checkpoint completion.
//!
//! Invariant: user code never unwinds through Timely; a panic is caught around the
//! task, and the job stops in an orderly way on every worker of every process.

mod acks;
mod chunk;
mod coordinator;
mod dataflow;
mod host;
pub(crate) mod network;
pub(crate) mod worker;
