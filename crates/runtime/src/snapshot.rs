//! What an operator stores at a checkpoint cut, and what it gets back.
//!
//! Keyed state is stored by (state name, key group), so that a subtask of any
//! other parallelism reads exactly the groups that it owns; operator state is a
//! list whose elements are dealt out anew. Where the bytes go is not decided here.
//!
//! Invariant: the snapshots of all subtasks of an operator, taken together, hold
//! each key group and each list element exactly once.

use crate::operator::SubtaskInfo;
use millstream_core::{Key, KeyGroup, Result, key_group_of};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stored state of one subtask of one operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatorSnapshot {
    keyed: BTreeMap<(String, KeyGroup), Vec<u8>>,
    lists: BTreeMap<String, Vec<Vec<u8>>>,
}

impl OperatorSnapshot {
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
        let group = key_group_of(key, max_parallelism);
        let bytes = self.keyed.entry((name.to_owned(), group)).or_default();
        *bytes = postcard::to_extend(&(key, value), std::mem::take(bytes))?;
        Ok(())
    }
    /// Appends one element to operator state `name`.
    ///
    /// # Errors
    /// When the element's `Serialize` refuses.
    pub fn put_list<V: Serialize + ?Sized>(&mut self, name: &str, value: &V) -> Result<()> {
        let bytes = postcard::to_stdvec(value)?;
        self.lists.entry(name.to_owned()).or_default().push(bytes);
        Ok(())
    }
    /// Whether nothing was stored.
    pub fn is_empty(&self) -> bool {
        self.keyed.is_empty() && self.lists.is_empty()
    }
    /// Bytes stored, keys and names not counted.
    pub fn size_bytes(&self) -> usize {
        self.keyed.values().map(Vec::len).sum::<usize>()
            + self.lists.values().flatten().map(Vec::len).sum::<usize>()
    }
}

/// The stored state of a task: every operator of its chain by uid.
pub type TaskSnapshot = Vec<(String, OperatorSnapshot)>;

/// The state that one subtask gets back: the snapshots of *all* former subtasks of
/// its operator, of which it reads its share.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    former: Option<Arc<Vec<OperatorSnapshot>>>,
}

impl Restored {
    /// From the snapshots of all former subtasks.
    pub fn from_former(former: Arc<Vec<OperatorSnapshot>>) -> Self {
        Restored { former: Some(former) }
    }
    /// Whether the job was restored and knew this operator.
    pub fn is_some(&self) -> bool {
        self.former.is_some()
    }
    fn snapshots(&self) -> impl Iterator<Item = &OperatorSnapshot> {
        self.former.iter().flat_map(|f| f.iter())
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
        for snapshot in self.snapshots() {
            for group in owned.iter() {
                let Some(mut bytes) =
                    snapshot.keyed.get(&(name.to_owned(), group)).map(Vec::as_slice)
                else {
                    continue;
                };
                while !bytes.is_empty() {
                    let (entry, rest) = postcard::take_from_bytes::<(K, V)>(bytes)?;
                    if key_group_of(&entry.0, subtask.max_parallelism) != group {
                        return Err(millstream_core::Error::corrupt(format!(
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
        self.snapshots()
            .filter_map(|s| s.lists.get(name))
            .flatten()
            .map(|bytes| Ok(postcard::from_bytes(bytes)?))
            .collect()
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
}
