//! Tests for jobs and operators, as a user of Millstream writes them.
//!
//! - [`OperatorHarness`]: one operator, no engine: push records, watermarks and
//!   processing time; read outputs, side outputs and watermarks, as text if you
//!   like; snapshot, and restore at another parallelism.
//! - [`CrashTest`](crash::CrashTest): an exactly-once sink in a process that is killed.
//! - [`SourceHarness`]: one source, no engine: poll, snapshot, restore.

mod cluster;
pub mod crash;
mod harness;
mod source_harness;

pub use cluster::{MiniCluster, MiniClusterJob};
pub use harness::{Event, HarnessBuilder, OperatorHarness};
pub use source_harness::{SourceHarness, SourceHarnessBuilder};
