//! The whole engine through the public DataStream API: real threads, real sockets.
//!
//! ```text
//!   support   scripted sources, collecting sinks, probes, time limits
//!   jobs      small jobs from end to end: counts, cuts, cancel, failure
//!   windows   random event-time input against a batch model, in every layout
//!   idleness  splits that stop, end, or run ahead
//!   checkpoints  the last one, failed ones, savepoints, restarts
//!   clock     processing time that the test moves
//!   recovery  jobs that are stopped at a cut and go on at another parallelism
//!   supervision  real processes, killed with -9 and replaced
//!   object_store  the same with checkpoints on a real S3-compatible server
//!   api       every piece of the API once; `api_joins` for those with two inputs
//!   async_wait  requests to outside systems
//!   pressure  what may be in flight
//!   failure   user code that panics or refuses, everywhere
//! ```
//!
//! Invariant: no assertion is about wall-clock time; a job that hangs is a failure.

#![allow(clippy::unwrap_used)] // a test may

mod api;
mod api_joins;
mod async_wait;
mod checkpoints;
mod clock;
mod failure;
mod idleness;
mod jobs;
#[cfg(feature = "s3")]
mod object_store;
mod pressure;
mod recovery;
mod supervision;
mod support;
mod unaligned;
mod windows;
