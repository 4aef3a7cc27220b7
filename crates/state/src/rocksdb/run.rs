//! Entries on their way from the cache to the database, in the order of their keys.
//!
//! The cache gives entries in the order of their hashes. In the order of their keys, each is
//! put near the last one in the memtable, and memtables become files with fewer overlaps.
//!
//! Invariant: a run holds about `bytes_max`, which belongs to the budget of the cache.

use super::store::Store;
use crate::table::TableSpec;
use crate::{Restored, SubtaskInfo};
use millstream_core::{Data, Key, Result};
use rocksdb::{BoundColumnFamily, WriteBatch};
use std::ops::Range;
use std::sync::Arc;

/// Entries are given to the database in batches of about this size.
const BATCH_BYTES: usize = 256 << 10;

struct Entry {
    /// The first bytes of the key: most comparisons need no more.
    head: u64,
    key: Range<usize>,
    /// Up to where the value behind the key goes; `None` deletes the entry.
    value_end: Option<usize>,
}

/// See the module.
pub(super) struct Run {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    bytes_max: usize,
}

impl Run {
    /// One that holds about so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Run { bytes: Vec::new(), entries: Vec::new(), bytes_max }
    }
    /// Whether it should be written before another entry is added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() + self.entries.len() * size_of::<Entry>() >= self.bytes_max
    }
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// Adds an entry: `encode` appends the key, and then the value, if it is not deleted.
    /// Answers its size.
    pub(super) fn add(
        &mut self,
        key: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
        value: Option<impl FnOnce(Vec<u8>) -> Result<Vec<u8>>>,
    ) -> Result<usize> {
        let start = self.bytes.len();
        self.bytes = key(std::mem::take(&mut self.bytes))?;
        let key_end = self.bytes.len();
        let has_value = value.is_some();
        if let Some(value) = value {
            self.bytes = value(std::mem::take(&mut self.bytes))?;
        }
        let mut head = [0; 8];
        head.iter_mut().zip(&self.bytes[start..key_end]).for_each(|(to, byte)| *to = *byte);
        let end = self.bytes.len();
        let value_end = has_value.then_some(end);
        self.entries.push(Entry { head: u64::from_be_bytes(head), key: start..key_end, value_end });
        Ok(end - start)
    }
    fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |entry: &Entry| &bytes[entry.key.clone()];
        self.entries.sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b))));
    }
    /// Fills the column family of a state with what was stored of it: `key` and `value` append
    /// the bytes of an entry.
    pub(super) fn restore<K: Key, N: Key, V: Data>(
        store: &Store,
        spec: &TableSpec<V>,
        restored: &Restored,
        subtask: &SubtaskInfo,
        key: impl Fn(&K, &N, Vec<u8>) -> Result<Vec<u8>>,
        value: impl Fn(&V, Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let family = store.family(&spec.description.name)?;
        // Caches are empty still, so there is room for large files.
        let mut run = Run::new(store.backend.shared.options.restore_bytes());
        spec.restore(restored, subtask, |k: K, namespace: N, v| {
            run.add(|bytes| key(&k, &namespace, bytes), Some(|bytes| value(&v, bytes)))?;
            if run.is_full() { run.ingest(store, &family) } else { Ok(()) }
        })?;
        run.ingest(store, &family)
    }
    /// Adds the entries, none of which is deleted, to a column family as a file, and is empty
    /// again.
    fn ingest(&mut self, store: &Store, family: &Arc<BoundColumnFamily<'_>>) -> Result<()> {
        if self.bytes.len() < BATCH_BYTES {
            return self.write(store, family);
        }
        self.sort();
        let entries = self.entries.iter().map(|entry| {
            let end = entry.value_end.unwrap_or(entry.key.end);
            (&self.bytes[entry.key.clone()], &self.bytes[entry.key.end..end])
        });
        store.ingest(family, entries)?;
        self.bytes.clear();
        self.entries.clear();
        Ok(())
    }
    /// Writes the entries to a column family, and is empty again.
    pub(super) fn write(
        &mut self,
        store: &Store,
        family: &Arc<BoundColumnFamily<'_>>,
    ) -> Result<()> {
        self.sort();
        let bytes = &self.bytes;
        let key = |entry: &Entry| &bytes[entry.key.clone()];
        let mut batch = WriteBatch::default();
        for entry in &self.entries {
            match entry.value_end {
                Some(end) => {
                    batch.put_cf(family, key(entry), &bytes[entry.key.end..end]);
                }
                None => batch.delete_cf(family, key(entry)),
            }
            if batch.size_in_bytes() >= BATCH_BYTES {
                store.write(std::mem::take(&mut batch))?;
            }
        }
        store.write(batch)?;
        self.bytes.clear();
        self.entries.clear();
        Ok(())
    }
}
