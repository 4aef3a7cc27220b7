//! The state that one subtask gets back after a restart.
//!
//! Invariant: whatever the former and the new parallelism, the new subtasks together get
//! every key group and every list element exactly once.

use crate::{FormerState, StoredState, SubtaskInfo};
use millstream_core::{Error, Key, Result, key_group_of};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What *all* former subtasks of an operator stored, of which a subtask reads its share.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    former: Option<Arc<Vec<Arc<dyn FormerState>>>>,
}

impl Restored {
    /// From what all former subtasks stored.
    pub fn from_former(former: Arc<Vec<Arc<dyn FormerState>>>) -> Self {
        Restored { former: Some(former) }
    }
    /// From snapshots in memory.
    pub fn from_stored(former: impl IntoIterator<Item = StoredState>) -> Self {
        let former = former.into_iter().map(|s| Arc::new(s) as Arc<dyn FormerState>);
        Self::from_former(Arc::new(former.collect()))
    }
    /// Whether the job was restored and knew this operator.
    pub fn is_some(&self) -> bool {
        self.former.is_some()
    }
    /// The former subtasks.
    pub fn former(&self) -> &[Arc<dyn FormerState>] {
        self.former.as_ref().map_or(&[], |former| former)
    }
    /// Every entry of keyed state `name` in the key groups of `subtask`.
    ///
    /// # Errors
    /// `Corrupt` when bytes do not decode, or a key is not in the group it was stored
    /// under (its hash has changed).
    pub fn keyed<K: Key, V: DeserializeOwned>(
        &self,
        name: &str,
        subtask: &SubtaskInfo,
    ) -> Result<Vec<(K, V)>> {
        let owned = subtask.key_groups();
        let mut entries = Vec::new();
        for former in self.former() {
            for group in owned.iter() {
                let Some(stored) = former.keyed(name, group)? else { continue };
                let mut bytes = stored.as_slice();
                while !bytes.is_empty() {
                    let (entry, rest) = postcard::take_from_bytes::<(K, V)>(bytes)?;
                    if key_group_of(&entry.0, subtask.max_parallelism) != group {
                        return Err(Error::corrupt(format!(
                            "state '{name}' holds a key in group {group} that hashes elsewhere"
                        ))
                        .advice(
                            "restore with the max parallelism and key type it was stored with",
                        ));
                    }
                    entries.push(entry);
                    bytes = rest;
                }
            }
        }
        Ok(entries)
    }
    /// Every element of operator state `name` of all former subtasks (Flink's union list).
    ///
    /// # Errors
    /// `Corrupt` when bytes do not decode.
    pub fn list_union<V: DeserializeOwned>(&self, name: &str) -> Result<Vec<V>> {
        let mut elements = Vec::new();
        for former in self.former() {
            for bytes in former.lists(name)? {
                elements.push(postcard::from_bytes(&bytes)?);
            }
        }
        Ok(elements)
    }
    /// This subtask's share of operator state `name`: element `i` of all goes to
    /// subtask `i % parallelism` (Flink's list state).
    ///
    /// # Errors
    /// `Corrupt` when bytes do not decode.
    pub fn list<V: DeserializeOwned>(&self, name: &str, subtask: &SubtaskInfo) -> Result<Vec<V>> {
        let all = self.list_union(name)?;
        let mine = |i: &usize| i % subtask.parallelism == subtask.index;
        Ok(all.into_iter().enumerate().filter(|(i, _)| mine(i)).map(|(_, v)| v).collect())
    }
    /// An operator state that all former subtasks stored alike (Flink's broadcast state).
    ///
    /// # Errors
    /// `Corrupt` when bytes do not decode.
    pub fn broadcast<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>> {
        for former in self.former() {
            if let Some(bytes) = former.lists(name)?.first() {
                return Ok(Some(postcard::from_bytes(bytes)?));
            }
        }
        Ok(None)
    }
}
