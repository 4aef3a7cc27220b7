//! Checkpoints: who decides, what is stored, and how a job finds its way back.
//!
//! ```text
//!   trigger(e) -> sources cut -> snapshots -> uploads -> acks ─┐
//!        ^                                                     v
//!   coordinator <── published <── leader log (create-if-absent) <── manifest
//!        │
//!        ├─> complete(e): sinks commit          the log entry is the commit point
//!        └─> retire(e - n): the registry says which files nobody needs any more
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`config`] | settings, by Flink's names (`execution.checkpointing.*`) |
//! | [`coordinator`] | one attempt's checkpoints, as a pure state machine |
//! | [`leader`] | terms and the log of what was published; pure |
//! | [`registry`] | which files are needed by whom; pure |
//! | [`restart`] | whether and when a failed job starts again; pure |
//!
//! Invariant: pure modules have no clock, thread, I/O or randomness, and only ordered
//! maps, so that a simulation can drive them through millions of steps by seed.

pub mod config;
pub mod coordinator;
pub mod leader;
pub mod leadership;
pub mod manifest;
pub mod reader;
pub mod registry;
pub mod requests;
pub mod restart;
pub mod service;
pub mod storage;
pub mod uploader;
pub mod writer;

pub use config::{CheckpointConfig, CheckpointingMode, Retention};
pub use coordinator::{Coordinator, Effect, Event, Request, SubtaskId};
pub use restart::{RestartStrategy, RestartTracker};
