//! Decoded values in front of RocksDB: written back when the cache is full, or at a barrier.
//!
//! Two generations: what is used moves to the young one; when that is half of the budget,
//! the old one is dropped and the young one becomes old. So hot entries stay, at the cost
//! of one look-up, and nothing is sorted by age.
//!
//! Invariant: a dirty entry is in `dirty`; what is dropped is clean.

use crate::heap::TableHasher;
use hashbrown::{Equivalent, HashMap};
use std::hash::{Hash, Hasher};

/// One cached entry.
pub(super) struct Slot<V> {
    pub(super) value: Option<V>,
    pub(super) dirty: bool,
    /// Bytes that it counts for.
    bytes: usize,
}

/// A key by reference.
pub(super) struct At<'a, K, N>(pub(super) &'a K, pub(super) &'a N);

impl<K: Hash, N: Hash> Hash for At<'_, K, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl<K: Eq, N: Eq> Equivalent<(K, N)> for At<'_, K, N> {
    fn equivalent(&self, key: &(K, N)) -> bool {
        *self.0 == key.0 && *self.1 == key.1
    }
}

type Generation<K, N, V> = HashMap<(K, N), Slot<V>, TableHasher>;

pub(super) struct WriteBack<K, N, V> {
    young: Generation<K, N, V>,
    old: Generation<K, N, V>,
    young_bytes: usize,
    dirty: Vec<(K, N)>,
}

impl<K: Clone + Eq + Hash, N: Clone + Eq + Hash, V> WriteBack<K, N, V> {
    pub(super) fn new() -> Self {
        WriteBack {
            young: HashMap::default(),
            old: HashMap::default(),
            young_bytes: 0,
            dirty: Vec::new(),
        }
    }
    /// Makes an old entry young; says whether the entry is cached at all.
    #[cold]
    fn refresh(&mut self, at: &At<'_, K, N>) -> bool {
        let Some((key, slot)) = self.old.remove_entry(at) else { return false };
        self.young_bytes += slot.bytes;
        self.young.insert(key, slot);
        true
    }
    /// Changes a cached entry; gives `change` back when it is not cached.
    #[inline]
    pub(super) fn change<R, F>(&mut self, at: &At<'_, K, N>, change: F) -> Result<R, F>
    where
        F: FnOnce(&mut Option<V>) -> R,
    {
        if let Some(slot) = self.young.get_mut(at) {
            if !std::mem::replace(&mut slot.dirty, true) {
                self.dirty.push((at.0.clone(), at.1.clone()));
            }
            return Ok(change(&mut slot.value));
        }
        if self.refresh(at) { self.change(at, change) } else { Err(change) }
    }
    /// Looks at a cached entry; gives `look` back when it is not cached.
    #[inline]
    pub(super) fn look<R, F>(&mut self, at: &At<'_, K, N>, look: F) -> Result<R, F>
    where
        F: FnOnce(Option<&V>) -> R,
    {
        if let Some(slot) = self.young.get(at) {
            return Ok(look(slot.value.as_ref()));
        }
        if self.refresh(at) { self.look(at, look) } else { Err(look) }
    }
    /// Adds an entry that was read from the database: `encoded` bytes there.
    pub(super) fn insert(&mut self, key: (K, N), value: Option<V>, encoded: usize) {
        // A hash table has room for up to twice its entries while it grows.
        let bytes = encoded + 2 * (size_of::<((K, N), Slot<V>)>() + 1);
        self.young_bytes += bytes;
        self.young.insert(key, Slot { value, dirty: false, bytes });
    }
    /// Whether the old generation must go, after what is dirty was written.
    #[inline]
    pub(super) fn is_full(&self, budget_bytes: usize) -> bool {
        self.young_bytes > budget_bytes / 2
    }
    /// Drops the old generation.
    pub(super) fn age(&mut self) {
        // The old table's memory is used again, so that full caches do not allocate.
        self.old.clear();
        std::mem::swap(&mut self.old, &mut self.young);
        self.young_bytes = 0;
    }
    /// Takes the list of dirty keys; look each up with [`peek`](Self::peek).
    pub(super) fn take_dirty(&mut self) -> Vec<(K, N)> {
        std::mem::take(&mut self.dirty)
    }
    /// Gives the (then empty) list back for use.
    pub(super) fn put_dirty(&mut self, dirty: Vec<(K, N)>) {
        self.dirty.extend(dirty);
    }
    /// The entry, wherever it is, without making it young.
    pub(super) fn peek(&mut self, at: &At<'_, K, N>) -> Option<&mut Slot<V>> {
        match self.young.get_mut(at) {
            Some(slot) => Some(slot),
            None => self.old.get_mut(at),
        }
    }
    pub(super) fn contains(&self, at: &At<'_, K, N>) -> bool {
        self.young.contains_key(at) || self.old.contains_key(at)
    }
    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }
}
