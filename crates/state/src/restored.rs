//! The state that one subtask gets back after a restart.
//!
//! Invariant: whatever the former and the new parallelism, the new subtasks together get
//! every key group and every list element exactly once.

use crate::table::TableSpec;
use crate::{FormerState, StoredState, SubtaskInfo};
use millstream_core::{Key, Result};
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
    /// under (its hash has changed); `Config` when the stored type is another one.
    pub fn keyed<K: Key, V: DeserializeOwned + 'static>(
        &self,
        name: &str,
        subtask: &SubtaskInfo,
    ) -> Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        let states = self.former().iter().flat_map(|former| former.states());
        let Some(stored) = states.into_iter().find(|state| state.name == name) else {
            return Ok(entries);
        };
        let spec = TableSpec::<V>::of::<K, ()>(name, stored.kind);
        spec.restore(self, subtask, |key, (), value| {
            entries.push((key, value));
            Ok(())
        })?;
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
