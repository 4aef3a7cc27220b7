//! Which entries of a key are dirty: what a look at all entries of the key must put over what
//! the database says.
//!
//! Invariant: it has exactly the dirty entries of its cache.

use crate::heap::TableHasher;
use hashbrown::HashMap;
use millstream_core::Key;

/// The namespaces of dirty entries by key.
pub(super) struct DirtyOf<K, N> {
    keys: HashMap<K, Vec<N>, TableHasher>,
    /// Of all keys.
    len: usize,
}

impl<K: Key, N: Key> DirtyOf<K, N> {
    /// Tables and lists are half full at the least.
    const ENTRY_BYTES: usize = 2 * size_of::<N>();
    const KEY_BYTES: usize = 2 * (size_of::<(K, Vec<N>)>() + 1);

    pub(super) fn new() -> Self {
        DirtyOf { keys: HashMap::default(), len: 0 }
    }
    /// An entry has become dirty.
    pub(super) fn add(&mut self, key: &K, namespace: &N) {
        match self.keys.get_mut(key) {
            Some(namespaces) => namespaces.push(namespace.clone()),
            None => drop(self.keys.insert(key.clone(), vec![namespace.clone()])),
        }
        self.len += 1;
    }
    /// An entry has been written.
    pub(super) fn remove(&mut self, key: &K, namespace: &N) {
        let Some(namespaces) = self.keys.get_mut(key) else { return };
        if let Some(at) = namespaces.iter().position(|known| known == namespace) {
            namespaces.swap_remove(at);
            self.len -= 1;
        }
        if namespaces.is_empty() {
            self.keys.remove(key);
        }
    }
    /// All have been written.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.len = 0;
    }
    pub(super) fn of(&self, key: &K) -> &[N] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }
    /// About what it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        self.len * Self::ENTRY_BYTES + self.keys.len() * Self::KEY_BYTES
    }
}
