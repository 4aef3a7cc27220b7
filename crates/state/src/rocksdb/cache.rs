//! Decoded values in front of RocksDB: written back when the cache is full, or at a barrier.
//!
//! The rows are in the heap backend's buckets, so that a cache of millions of entries grows
//! bit by bit. What goes is decided bucket by bucket, by a clock: entries that were used
//! since the hand was there stay. So hot keys stay at the cost of one look-up, and the whole
//! budget is in use.
//!
//! Invariant: a bucket with a dirty entry is marked; what leaves the cache has been written.

use crate::heap::Buckets;
use millstream_core::{Data, Key, Result};

/// One cached entry.
#[derive(Clone)]
pub(super) struct Slot<V> {
    value: Option<V>,
    dirty: bool,
    used: bool,
    /// Bytes that it holds elsewhere on the heap, by its size on disk.
    heap_bytes: u32,
}

/// Takes an entry that goes to the database, where `None` deletes it; answers its size there.
pub(super) type Write<'w, K, N, V> = &'w mut dyn FnMut(&K, &N, Option<&V>) -> Result<usize>;

pub(super) struct WriteBack<K, N, V> {
    rows: Buckets<K, N, Slot<V>>,
    /// By bucket: whether it may have dirty entries.
    dirty: Vec<bool>,
    len: usize,
    heap_bytes: usize,
    /// The bucket that the clock's hand is at.
    hand: usize,
}

impl<K: Key, N: Key, V: Data> WriteBack<K, N, V> {
    pub(super) fn new() -> Self {
        WriteBack { rows: Buckets::new(), dirty: vec![false], len: 0, heap_bytes: 0, hand: 0 }
    }
    /// Changes a cached entry; gives `change` back when it is not cached.
    #[inline]
    pub(super) fn change<R, F>(&mut self, key: &K, namespace: &N, change: F) -> Result<R, F>
    where
        F: FnOnce(&mut Option<V>) -> R,
    {
        let answer = self.rows.modify(key, namespace, |slot| match slot {
            Some(slot) => {
                slot.used = true;
                let was_dirty = std::mem::replace(&mut slot.dirty, true);
                Ok((change(&mut slot.value), was_dirty))
            }
            None => Err(change),
        });
        let (answer, was_dirty) = answer?;
        if !was_dirty {
            self.mark(key, namespace);
        }
        Ok(answer)
    }
    /// Looks at a cached entry; gives `look` back when it is not cached.
    #[inline]
    pub(super) fn look<R, F>(&mut self, key: &K, namespace: &N, look: F) -> Result<R, F>
    where
        F: FnOnce(Option<&V>) -> R,
    {
        self.rows.modify(key, namespace, |slot| match slot {
            Some(slot) => {
                slot.used = true;
                Ok(look(slot.value.as_ref()))
            }
            None => Err(look),
        })
    }
    fn mark(&mut self, key: &K, namespace: &N) {
        let bucket = self.rows.bucket_of(key, namespace);
        if let Some(dirty) = self.dirty.get_mut(bucket) {
            *dirty = true;
        }
    }
    /// Adds an entry that is not cached, with its size on disk.
    pub(super) fn insert(&mut self, key: &K, namespace: &N, value: Option<V>, encoded: usize) {
        let heap_bytes = Self::heap_bytes_of(encoded);
        self.len += 1;
        self.heap_bytes += heap_bytes as usize;
        let slot = Slot { value, dirty: false, used: true, heap_bytes };
        self.rows.modify(key, namespace, |place| *place = Some(slot));
        // A bucket that was split may have given dirty entries to the new one.
        self.dirty.resize(self.rows.count(), true);
    }
    /// What an entry holds on the heap; types without destructors have nothing there.
    fn heap_bytes_of(encoded: usize) -> u32 {
        let has_some = std::mem::needs_drop::<(K, N, V)>();
        if has_some { u32::try_from(encoded).unwrap_or(u32::MAX) } else { 0 }
    }
    pub(super) fn contains(&self, key: &K, namespace: &N) -> bool {
        self.rows.find(key, namespace).is_some()
    }
    fn bytes(&self) -> usize {
        // Hash tables are seven tenths full on average.
        self.len * self.rows.row_bytes() * 10 / 7 + self.heap_bytes
    }
    #[inline]
    pub(super) fn is_full(&self, budget_bytes: usize) -> bool {
        self.bytes() > budget_bytes
    }
    /// Lets entries go until a tenth of the budget is free; writes those that are dirty.
    pub(super) fn evict(&mut self, budget_bytes: usize, write: Write<'_, K, N, V>) -> Result<()> {
        let mut steps = 2 * self.rows.count();
        while self.bytes() > budget_bytes / 10 * 9 && steps > 0 {
            steps -= 1;
            self.hand = (self.hand + 1) % self.rows.count();
            let rows = self.rows.rows_mut(self.hand);
            for row in rows.iter() {
                let slot = &row.value;
                if slot.dirty && !slot.used {
                    write(&row.key, &row.namespace, slot.value.as_ref())?;
                }
            }
            let (mut gone, mut heap_bytes) = (0, 0);
            rows.retain(|row| {
                let slot = &mut row.value;
                if std::mem::replace(&mut slot.used, false) {
                    return true;
                }
                gone += 1;
                heap_bytes += slot.heap_bytes as usize;
                false
            });
            self.len -= gone;
            self.heap_bytes -= heap_bytes;
        }
        Ok(())
    }
    /// Writes all that is dirty; it stays in the cache, clean.
    pub(super) fn write_back(&mut self, write: Write<'_, K, N, V>) -> Result<()> {
        for (bucket, dirty) in self.dirty.iter_mut().enumerate().filter(|(_, dirty)| **dirty) {
            for row in self.rows.rows_mut(bucket).iter_mut() {
                let slot = &mut *row.value;
                if slot.dirty {
                    let bytes = write(&row.key, &row.namespace, slot.value.as_ref())?;
                    slot.dirty = false;
                    self.heap_bytes -= slot.heap_bytes as usize;
                    slot.heap_bytes = Self::heap_bytes_of(bytes);
                    self.heap_bytes += slot.heap_bytes as usize;
                }
            }
            *dirty = false;
        }
        Ok(())
    }
}
