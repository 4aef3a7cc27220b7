//! What a former subtask stored, as a new subtask reads it.
//!
//! Invariant: nothing is read from storage before it is asked for, and a key group that
//! nobody asks for is never read.

use crate::StateDescription;
use millstream_core::{KeyGroup, KeyGroupRange, Result};
use std::fmt::Debug;
use std::path::Path;

/// The native part of a snapshot: files of one backend that only this backend reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeState {
    /// The backend's name, `rocksdb`.
    pub backend: String,
    /// What the backend needs to open its files, in a form of its own.
    pub meta: Vec<u8>,
    /// The key groups that the files hold.
    pub groups: KeyGroupRange,
    /// The ids of the files.
    pub files: Vec<String>,
}

/// What one former subtask stored; read lazily from storage, from any thread.
pub trait FormerState: Debug + Send + Sync {
    /// Every state that was stored.
    fn states(&self) -> &[StateDescription];
    /// The entries of one key group of a keyed state in canonical form: concatenated postcard
    /// pairs. `None` when nothing was stored.
    ///
    /// # Errors
    /// `Corrupt` when a checksum is wrong; `Retry` when storage does not answer.
    fn keyed(&self, state: &str, group: KeyGroup) -> Result<Option<Vec<u8>>>;
    /// The elements of an operator state, each in postcard.
    ///
    /// # Errors
    /// As [`keyed`](Self::keyed).
    fn lists(&self, state: &str) -> Result<Vec<Vec<u8>>>;
    /// The native part, when the snapshot has one.
    fn native(&self) -> Option<NativeState>;
    /// Copies the native file `id` to the local path `to`, which does not exist yet.
    ///
    /// # Errors
    /// As [`keyed`](Self::keyed); and when the local disk refuses.
    fn fetch(&self, id: &str, to: &Path) -> Result<()>;
}
