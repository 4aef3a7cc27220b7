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
//! | [`coordinator`] | one attempt's checkpoints: pure |
//! | [`leader`] | terms, and the log of what was published: pure |
//! | [`registry`] | which files are needed by whom: pure |
//! | [`restart`] | whether and when a failed job starts again: pure |
//! | [`restore`] | whether a job may start from a manifest: pure |
//! | [`storage`] | objects by path; knows `object_store` |
//! | [`manifest`], [`writer`], [`reader`] | what a checkpoint consists of, in and out |
//! | [`leadership`] | a job's folder and what its leader does there |
//! | [`uploader`], [`service`] | threads: snapshots in, decisions carried out |
//! | [`requests`] | savepoints from the command line |
//! | [`memory`] | all of it in memory, for tests |
//! | [`fault`] | points at which tests kill a process; nothing in a product |
//!
//! Invariant: pure modules have no clock, thread, I/O or randomness, and only ordered
//! maps, so that a simulation can drive them through millions of steps by seed.

pub mod config;
pub mod coordinator;
pub mod fault;
pub mod leader;
pub mod leadership;
pub mod manifest;
pub mod memory;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
#[allow(unreachable_pub)] // the simulation reaches it, with the feature
mod planted;
pub mod reader;
pub mod registry;
pub mod requests;
pub mod restart;
pub mod restore;
pub mod service;
pub mod storage;
pub mod uploader;
pub mod writer;

pub use config::{CheckpointConfig, CheckpointingMode, Retention};
pub use coordinator::{Coordinator, Effect, Event, Request, Stop, SubtaskId};
pub use leadership::{JobDescription, JobStorage, Leader};
pub use manifest::{LocatedManifest, Manifest, OperatorInfo, SubtaskState};
pub use memory::MemoryCheckpoints;
pub use reader::RestoredJob;
pub use restart::{RestartStrategy, RestartTracker};
pub use restore::RestoreSettings;
pub use storage::Storage;
