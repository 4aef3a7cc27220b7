//! What an operator stores at a checkpoint cut.
//!
//! ```text
//!   worker thread:    operator.snapshot(&mut OperatorSnapshot)     ready parts, cheap views
//!   uploader thread:  OperatorSnapshot::write(&mut SnapshotWriter) ready parts, then deferred
//! ```
//!
//! Keyed state is stored by (state name, key group), so that a subtask of any other
//! parallelism reads exactly the groups that it owns; operator state is a list whose
//! elements are dealt out anew. Where the bytes go is the writer's business.
//!
//! Invariant: the snapshots of all subtasks of an operator, taken together, hold each key
//! group and each list element exactly once.

use crate::bytes::append;
use crate::{
    FormerState, HashedKey, NativeState, StateDescription, StateKind, StoredState, SubtaskInfo,
};
use millstream_core::key_group::key_group_of_hash;
use millstream_core::{Error, Key, KeyGroup, KeyGroupRange, Result, key_group_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a snapshot is for, and so in which form backends write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SnapshotKind {
    /// A checkpoint: native and incremental where the backend can.
    #[default]
    Checkpoint,
    /// A savepoint that every backend can read.
    CanonicalSavepoint,
    /// A savepoint in the backend's own files, self-contained.
    NativeSavepoint,
}

/// How the elements of an operator state are given to the subtasks of a new attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ListMode {
    /// Each element to one subtask.
    Split,
    /// All elements to every subtask.
    Union,
    /// Every former subtask stored the same; any of them will do.
    Broadcast,
}

/// Where a snapshot is written to: storage, or memory.
pub trait SnapshotWriter {
    /// Announces a state; comes before its entries.
    ///
    /// # Errors
    /// When storage refuses.
    fn state(&mut self, description: &StateDescription) -> Result<()>;
    /// Entries of one key group of one state in canonical form: concatenated postcard pairs
    /// of key and value. May be called repeatedly for a group; the parts are appended.
    ///
    /// # Errors
    /// When storage refuses.
    fn keyed(&mut self, state: &str, group: KeyGroup, entries: &[u8]) -> Result<()>;
    /// One element of an operator state in postcard.
    ///
    /// # Errors
    /// When storage refuses.
    fn list(&mut self, state: &str, mode: ListMode, element: &[u8]) -> Result<()>;
    /// An immutable local file of the native form. `id` is unique in the job for its
    /// content. A `shared` one may be named again by a later checkpoint and need not be
    /// uploaded twice. The file may be gone when the call has returned.
    ///
    /// # Errors
    /// When storage refuses, or the file cannot be read.
    fn file(&mut self, id: &str, local: &Path, shared: bool) -> Result<()>;
    /// The native part; all of its files were written before.
    ///
    /// # Errors
    /// When storage refuses.
    fn native(&mut self, state: &NativeState) -> Result<()>;
}

/// The part of a snapshot that is written later, on an uploader thread.
pub trait DeferredSnapshot: Send {
    /// Writes the state as it was at the cut.
    ///
    /// # Errors
    /// When an entry does not serialize, a local file cannot be read, or the writer refuses.
    fn write(self: Box<Self>, out: &mut dyn SnapshotWriter) -> Result<()>;
}

/// What one operator subtask stores at a barrier: built quickly on the worker, finished
/// elsewhere by [`write`](OperatorSnapshot::write).
#[derive(Default)]
pub struct OperatorSnapshot {
    kind: SnapshotKind,
    is_dropped: bool,
    ready: StoredState,
    deferred: Vec<Box<dyn DeferredSnapshot>>,
}

impl OperatorSnapshot {
    /// An empty snapshot of `kind`.
    pub fn new(kind: SnapshotKind) -> Self {
        OperatorSnapshot { kind, ..Self::default() }
    }
    /// What it is for.
    pub fn kind(&self) -> SnapshotKind {
        self.kind
    }
    /// Whether nobody will store it, because the job has no storage: what it takes is let go
    /// of at once, and state that is costly to put together need not be.
    pub fn is_dropped(&self) -> bool {
        self.is_dropped
    }
    /// Describes a state; one that is stored without is listed without schemas.
    pub fn describe(&mut self, description: StateDescription) {
        self.ready.describe(description);
    }
    /// Appends one entry of keyed state `name` to the group of its key.
    ///
    /// # Errors
    /// When the entry's `Serialize` refuses.
    pub fn put_keyed<K: Key, V: Serialize + ?Sized>(
        &mut self,
        name: &str,
        max_parallelism: usize,
        key: &K,
        value: &V,
    ) -> Result<()> {
        self.ready.describe_if_new(name, StateKind::Value);
        if self.is_dropped {
            return Ok(());
        }
        let group = key_group_of(key, max_parallelism);
        self.ready.extend_group(name, group, |bytes| Ok(postcard::to_extend(&(key, value), bytes)?))
    }
    /// Appends one element to operator state `name`, to be dealt out or read by all.
    ///
    /// # Errors
    /// When the element's `Serialize` refuses.
    pub fn put_list<V: Serialize + ?Sized>(&mut self, name: &str, value: &V) -> Result<()> {
        self.put_list_as(name, ListMode::Split, value)
    }
    /// Appends one element to operator state `name` with a mode.
    ///
    /// # Errors
    /// When the element's `Serialize` refuses.
    pub fn put_list_as<V: Serialize + ?Sized>(
        &mut self,
        name: &str,
        mode: ListMode,
        value: &V,
    ) -> Result<()> {
        self.ready.describe_if_new(name, StateKind::OperatorList);
        if self.is_dropped {
            return Ok(());
        }
        self.ready.list(name, mode, &postcard::to_stdvec(value)?)
    }
    /// Stores entries of a keyed state later: `entries` runs on the uploader thread and puts
    /// them one by one. It owns what it needs, so that nobody changes it.
    pub fn defer_keyed(
        &mut self,
        description: StateDescription,
        subtask: &SubtaskInfo,
        entries: impl FnOnce(&mut EntryWriter<'_>) -> Result<()> + Send + 'static,
    ) {
        let (groups, max_parallelism) = (subtask.key_groups(), subtask.max_parallelism);
        self.ready.describe(description.clone());
        let name = description.name;
        self.defer(Box::new(DeferredEntries { name, groups, max_parallelism, entries }));
    }
    /// Adds a part that is written later.
    pub fn defer(&mut self, part: Box<dyn DeferredSnapshot>) {
        if !self.is_dropped {
            self.deferred.push(part);
        }
    }
    /// Every state that was described, with entries or without: what a job declares, when
    /// its operators were opened without any state.
    pub fn states(&self) -> &[StateDescription] {
        self.ready.states()
    }
    /// Whether there is nothing to store, not even the description of a state.
    pub fn is_empty(&self) -> bool {
        self.states().is_empty() && self.ready.is_empty() && self.deferred.is_empty()
    }
    /// Writes everything: the ready parts, then the deferred ones.
    ///
    /// # Errors
    /// As [`DeferredSnapshot::write`].
    pub fn write(self, out: &mut dyn SnapshotWriter) -> Result<()> {
        self.ready.write(out)?;
        self.deferred.into_iter().try_for_each(|part| part.write(out))
    }
    /// Writes everything into memory (tests, and stores in memory).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn into_stored(self) -> Result<StoredState> {
        let mut stored = StoredState::default();
        self.write(&mut stored)?;
        Ok(stored)
    }
}

impl std::fmt::Debug for OperatorSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("OperatorSnapshot");
        shown.field("kind", &self.kind).field("ready", &self.ready);
        shown.field("deferred", &self.deferred.len()).finish()
    }
}

/// Appends an entry of [`Bytes`](crate::Bytes).
fn append_entry(key: &[u8], value: &[u8], bytes: Vec<u8>) -> Vec<u8> {
    append(value, append(key, bytes))
}

/// Entries of a keyed state whose keys and values are [`Bytes`](crate::Bytes), encoded at the cut
/// and [deferred](OperatorSnapshot::defer): they are let go as they are written.
pub struct BytesEntries {
    name: String,
    max_parallelism: usize,
    /// In pieces, which are not moved to grow for long.
    groups: BTreeMap<KeyGroup, Vec<Vec<u8>>>,
}

impl BytesEntries {
    /// None yet, of the keyed state `name`.
    pub fn new(name: &str, max_parallelism: usize) -> Self {
        BytesEntries { name: name.to_owned(), max_parallelism, groups: BTreeMap::new() }
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
    /// Adds one.
    pub fn put(&mut self, (hash, key): HashedKey<'_>, value: &[u8]) {
        let group = key_group_of_hash(hash, self.max_parallelism);
        let pieces = self.groups.entry(group).or_default();
        match pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_BYTES => {
                *piece = append_entry(key, value, std::mem::take(piece));
            }
            _ => pieces.push(append_entry(key, value, Vec::new())),
        }
    }
}

impl DeferredSnapshot for BytesEntries {
    fn write(self: Box<Self>, out: &mut dyn SnapshotWriter) -> Result<()> {
        for (group, pieces) in self.groups {
            pieces.into_iter().try_for_each(|piece| out.keyed(&self.name, group, &piece))?;
        }
        Ok(())
    }
}

/// Encoded entries of one key group are handed to the writer in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;

/// Puts the entries of one keyed state into its key groups.
pub struct EntryWriter<'w> {
    name: &'w str,
    groups: KeyGroupRange,
    max_parallelism: usize,
    pieces: Vec<Vec<u8>>,
    out: &'w mut dyn SnapshotWriter,
}

impl<'w> EntryWriter<'w> {
    pub(crate) fn new(
        name: &'w str,
        groups: KeyGroupRange,
        max_parallelism: usize,
        out: &'w mut dyn SnapshotWriter,
    ) -> Self {
        let pieces = vec![Vec::new(); groups.iter().len()];
        EntryWriter { name, groups, max_parallelism, pieces, out }
    }
    /// Stores one entry.
    ///
    /// # Errors
    /// When the entry does not serialize, or storage refuses.
    pub fn put<K: Key, V: Serialize + ?Sized>(&mut self, key: &K, value: &V) -> Result<()> {
        self.put_encoded(key, |bytes| Ok(postcard::to_extend(&(key, value), bytes)?))
    }
    /// Stores one entry whose key and value are [`Bytes`](crate::Bytes).
    ///
    /// # Errors
    /// When storage refuses.
    pub fn put_bytes(&mut self, (hash, key): HashedKey<'_>, value: &[u8]) -> Result<()> {
        let group = key_group_of_hash(hash, self.max_parallelism);
        self.put_in(group, |bytes| Ok(append_entry(key, value, bytes)))
    }
    pub(crate) fn put_encoded<K: Key>(
        &mut self,
        key: &K,
        encode: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        self.put_in(key_group_of(key, self.max_parallelism), encode)
    }
    fn put_in(
        &mut self,
        group: KeyGroup,
        encode: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let name = self.name;
        let place = usize::from(group.wrapping_sub(self.groups.start));
        let piece = self.pieces.get_mut(place).ok_or_else(|| {
            Error::bug(format!("state '{name}' holds a key of group {group}, not its own"))
        })?;
        *piece = encode(std::mem::take(piece))?;
        if piece.len() >= PIECE_BYTES {
            self.out.keyed(name, group, piece)?;
            piece.clear();
        }
        Ok(())
    }
    pub(crate) fn finish(self) -> Result<()> {
        for (group, piece) in self.groups.iter().zip(&self.pieces) {
            if !piece.is_empty() {
                self.out.keyed(self.name, group, piece)?;
            }
        }
        Ok(())
    }
}

struct DeferredEntries<F> {
    name: String,
    groups: KeyGroupRange,
    max_parallelism: usize,
    entries: F,
}

impl<F: FnOnce(&mut EntryWriter<'_>) -> Result<()> + Send> DeferredSnapshot for DeferredEntries<F> {
    fn write(self: Box<Self>, out: &mut dyn SnapshotWriter) -> Result<()> {
        let mut writer = EntryWriter::new(&self.name, self.groups, self.max_parallelism, out);
        (self.entries)(&mut writer)?;
        writer.finish()
    }
}

/// What a task stores at a barrier: the snapshot of every operator of its chain, by uid.
#[derive(Debug, Default)]
pub struct TaskSnapshot {
    kind: SnapshotKind,
    is_dropped: bool,
    operators: Vec<(String, OperatorSnapshot)>,
}

impl TaskSnapshot {
    /// An empty snapshot of `kind`.
    pub fn new(kind: SnapshotKind) -> Self {
        TaskSnapshot { kind, ..Self::default() }
    }
    /// One of a job without storage: see [`OperatorSnapshot::is_dropped`].
    pub fn dropped() -> Self {
        TaskSnapshot { is_dropped: true, ..Self::default() }
    }
    /// An empty snapshot of an operator of the task, [to be added](Self::push).
    pub fn of_operator(&self) -> OperatorSnapshot {
        let (kind, is_dropped) = (self.kind, self.is_dropped);
        OperatorSnapshot { kind, is_dropped, ..OperatorSnapshot::default() }
    }
    /// What it is for.
    pub fn kind(&self) -> SnapshotKind {
        self.kind
    }
    /// Adds the snapshot of the operator `uid`.
    pub fn push(&mut self, uid: String, snapshot: OperatorSnapshot) {
        self.operators.push((uid, snapshot));
    }
    /// What the operator `uid` stores, for more to be added.
    pub fn operator_mut(&mut self, uid: &str) -> &mut OperatorSnapshot {
        let at = self.operators.iter().position(|(known, _)| known == uid);
        let at = at.unwrap_or_else(|| {
            self.operators.push((uid.to_owned(), self.of_operator()));
            self.operators.len() - 1
        });
        &mut self.operators[at].1
    }
    /// Number of operators that stored something.
    pub fn len(&self) -> usize {
        self.operators.len()
    }
    /// Whether no operator stored anything.
    pub fn is_empty(&self) -> bool {
        self.operators.is_empty()
    }
    /// Writes every operator's snapshot into memory.
    ///
    /// # Errors
    /// As [`OperatorSnapshot::write`].
    pub fn into_stored(self) -> Result<BTreeMap<String, StoredState>> {
        self.into_iter().map(|(uid, snapshot)| Ok((uid, snapshot.into_stored()?))).collect()
    }
}

impl IntoIterator for TaskSnapshot {
    type Item = (String, OperatorSnapshot);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.operators.into_iter()
    }
}
