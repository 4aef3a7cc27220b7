//! Windows and joins, driven through the operator harness.
//!
//! - `conformance`: Flink's answers to 242 cases
//! - `model`: both window operators against each other and against a simple model
//! - `recovery`: restore in mid-window, rescale, back-pressure
//! - `joins`: window join, co-group and interval join against simple models
//! - `backends`: the same on disk, and from memory to disk and back
//! - `behaviour`: processing time, window state, own triggers, refusals

// Helpers of tests, which clippy does not see as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backends;
mod behaviour;
mod conformance;
mod joins;
mod model;
mod recovery;
mod support;
