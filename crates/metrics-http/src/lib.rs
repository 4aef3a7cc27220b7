//! What a job counts, for Prometheus and for the person at the terminal.
//!
//! ```text
//!   operators ──count──> MetricRegistry ──read──┬──> meter ──> exposition ──> server: GET /metrics
//!                                               └──> progress: one line on the terminal
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`meter`] | rates per second over the last minute, as Flink's meters |
//! | [`exposition`] | the Prometheus text format, with the names of Flink's reporter |
//! | [`server`] | the HTTP endpoint, on a thread of its own |
//! | [`progress`] | the progress line |
//!
//! Invariant: nothing here runs on a worker's thread or makes it wait; a scrape reads the
//! same atomics that the operators add to.

pub mod exposition;
pub mod meter;
pub mod progress;
pub mod server;

pub use progress::ProgressLine;
pub use server::{PrometheusServer, PrometheusServerBuilder};
