//! A hash table that gives the stored key together with its value.
//!
//! Invariant: the hash is fixed, so the same calls give the same order of iteration;
//! it is not the hash of key groups, whose high bits are alike within a subtask.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, IntoIter};
use millstream_core::Key;
use std::hash::BuildHasher;

const HASH: FixedState = FixedState::with_seed(0x4D69_6C6C);

#[inline]
fn hash_of<K: Key>(key: &K) -> u64 {
    HASH.hash_one(key)
}

#[derive(Clone, Debug)]
pub(crate) struct KeyTable<K, V>(HashTable<(K, V)>);

impl<K, V> Default for KeyTable<K, V> {
    fn default() -> Self {
        KeyTable(HashTable::new())
    }
}

impl<K: Key, V> KeyTable<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
    /// Makes room for `keys` keys in all.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.0.reserve(keys.saturating_sub(self.0.len()), |(k, _)| hash_of(k));
    }
    #[inline]
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> (&K, &mut V) {
        let entry = self.0.entry(hash_of(&key), |(k, _)| *k == key, |(k, _)| hash_of(k));
        let (key, value) = match entry {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert((key, make())).into_mut(),
        };
        (key, value)
    }
    /// Like [`get_or_insert_with`](Self::get_or_insert_with), cloning a key only when it is
    /// new; `update` sees the value when it is not.
    pub(crate) fn merge_entry(
        &mut self,
        key: &K,
        make: impl FnOnce() -> V,
        update: impl FnOnce(&mut V),
    ) {
        match self.0.entry(hash_of(key), |(k, _)| k == key, |(k, _)| hash_of(k)) {
            Entry::Occupied(mut entry) => update(&mut entry.get_mut().1),
            Entry::Vacant(entry) => {
                entry.insert((key.clone(), make()));
            }
        }
    }
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.find(hash_of(key), |(k, _)| k == key).map(|(_, v)| v)
    }
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.0.find_entry(hash_of(key), |(k, _)| k == key).ok()?;
        Some(entry.remove().0.1)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(k, v)| (k, v))
    }
}

impl<K, V> IntoIterator for KeyTable<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<(K, V)>;
    fn into_iter(self) -> IntoIter<(K, V)> {
        self.0.into_iter()
    }
}
