//! Tables in a DataStream job: what goes in as a stream, what comes out as one.
//!
//! - [`records`]: every type both ways, and what does not fit
//! - [`times`]: event time and watermarks in both directions
//! - [`changes`]: changelogs in and out
//! - [`jobs`]: state of such a job over a savepoint; statement sets; what is refused
#![allow(clippy::unwrap_used)]

mod changes;
mod jobs;
mod records;
mod support;
mod times;
