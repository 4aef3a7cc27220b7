//! Checkpoints in memory: for tests of the cut, and of recovery within a process.

use crate::leadership::JobStorage;
use crate::manifest::LocatedManifest;
use crate::reader::RestoredJob;
use crate::storage::Storage;
use millstream_core::{Epoch, Result};
use std::sync::Arc;

/// A job's storage in memory: the same code and format as on disk. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryCheckpoints(JobStorage);

impl Default for MemoryCheckpoints {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCheckpoints {
    /// No checkpoints.
    pub fn new() -> Self {
        MemoryCheckpoints(JobStorage::plain(&Storage::memory(), "job"))
    }
    /// For [`StreamExecutionEnvironment::set_checkpoint_storage`] and the like.
    ///
    /// [`StreamExecutionEnvironment::set_checkpoint_storage`]: https://docs.rs/millstream-datastream
    pub fn storage(&self) -> JobStorage {
        self.0.clone()
    }
    /// The newest complete epoch.
    pub fn latest(&self) -> Option<Epoch> {
        self.manifest().ok().flatten().map(|located| Epoch(located.manifest.epoch))
    }
    /// The newest complete checkpoint.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged.
    pub fn manifest(&self) -> Result<Option<LocatedManifest>> {
        self.0.latest()
    }
    /// The state at the newest complete epoch (nothing, when there is none).
    ///
    /// # Errors
    /// `Corrupt` when it is damaged.
    pub fn restore(&self) -> Result<RestoredJob> {
        let latest = self.manifest()?.map(Arc::new);
        Ok(latest.as_ref().map_or_else(RestoredJob::default, RestoredJob::of))
    }
}
