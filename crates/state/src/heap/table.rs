//! One typed table in memory: extendible hashing over copy-on-write buckets.
//!
//! Invariant: the bucket of a hash is `directory[bits of the hash]`, and every bucket with
//! depth `d` is in the directory at all places that agree in the lowest `d` bits.

use super::AnyTable;
use super::bucket::Bucket;
use super::row::{self, Held, Row};
use crate::snapshot::EntryWriter;
use crate::table::Table;
use crate::{DeferredSnapshot, OperatorSnapshot, SnapshotWriter, StateDescription, SubtaskInfo};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use millstream_core::{Data, Error, Key, KeyGroupRange, Result};
use std::cell::{Cell, RefCell, RefMut};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// The hasher of tables in memory: fast, and seeded, because keys come from outside.
pub type TableHasher = foldhash::fast::RandomState;

/// A bucket that has no room for more within this is split in two: what a change may copy
/// while a snapshot is being written, a few microseconds of work.
const BUCKET_BYTES_MAX: usize = 64 << 10;
/// The directory has at most two to this many places.
const DIRECTORY_BITS_MAX: u32 = 24;
/// The directory uses hash bits from here on; the hash tables in the buckets use others.
const DIRECTORY_SHIFT: u32 = 24;
/// One bucket is cleaned of expired rows after this many changes.
const CHANGES_A_CLEANING: u32 = 512;

/// Appends the canonical form of a row.
type Encode<K, N, V> = fn(&Row<K, N, V>, Vec<u8>) -> Result<Vec<u8>>;

/// Removes what has expired from the value of a row; answers whether anything is left.
pub(super) type Clean<V> = Box<dyn Fn(&mut V) -> bool>;

/// The rows of a table by hash.
struct Buckets<K, N, V> {
    directory: Vec<u32>,
    buckets: Vec<Bucket<Row<K, N, V>>>,
    hasher: TableHasher,
    /// The next bucket to clean.
    to_clean: usize,
}

/// A table of the heap backend.
pub struct HeapTable<K, N, V> {
    description: StateDescription,
    max_parallelism: usize,
    groups: KeyGroupRange,
    inner: RefCell<Buckets<K, N, V>>,
    encode: Encode<K, N, V>,
    clean: Option<Clean<V>>,
    changes: Cell<u32>,
}

impl<K: Key, N: Key, V: Data> HeapTable<K, N, V> {
    pub(super) fn new(
        description: &StateDescription,
        subtask: &SubtaskInfo,
        encode: Encode<K, N, V>,
        clean: Option<Clean<V>>,
    ) -> Self {
        HeapTable {
            description: description.clone(),
            max_parallelism: subtask.max_parallelism,
            groups: subtask.key_groups(),
            inner: RefCell::new(Buckets::new()),
            encode,
            clean,
            changes: Cell::new(0),
        }
    }
    #[inline]
    fn borrow(&self) -> Result<RefMut<'_, Buckets<K, N, V>>> {
        self.inner.try_borrow_mut().map_err(|_| self.in_use())
    }
    #[cold]
    fn in_use(&self) -> Error {
        let name = &self.description.name;
        Error::user(format!("state '{name}' was used while it was being changed"))
            .advice("do not use a state inside of a closure that changes the same state")
    }
    pub(super) fn insert(&self, key: K, namespace: N, value: V) -> Result<()> {
        self.modify(&key, &namespace, |slot| *slot = Some(value))
    }
    /// Takes hold of the table for a batch of changes.
    ///
    /// # Errors
    /// When the table is in use further up the stack.
    #[inline]
    pub fn writer(&self) -> Result<HeapWriter<'_, K, N, V>> {
        Ok(HeapWriter(self.borrow()?))
    }
    /// Number of entries (tests, metrics).
    pub fn len(&self) -> usize {
        self.inner.borrow().buckets.iter().map(|bucket| bucket.rows().len()).sum()
    }
    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A heap table while a batch of changes is made; these cannot fail.
pub struct HeapWriter<'t, K, N, V>(RefMut<'t, Buckets<K, N, V>>);

/// A key with the hash of its entry, as [`HeapWriter::locate`] gives it.
pub struct Located<K> {
    key: K,
    hash: u64,
}

impl<K: Key, N: Key, V: Data> HeapWriter<'_, K, N, V> {
    /// Finds out where the entries of keys are, for [`modify_at`](Self::modify_at).
    ///
    /// The entries of a batch are loaded all at once, in the background; where they are looked
    /// up one by one, each waits for memory on its own.
    #[inline]
    pub fn locate(&self, keys: impl Iterator<Item = K>, namespace: &N) -> Vec<Located<K>> {
        let locate = |key| {
            let hash = self.0.hash(&key, namespace);
            self.0.buckets[self.0.bucket(hash)].prefetch(hash);
            Located { key, hash }
        };
        keys.map(locate).collect()
    }
    /// [`modify`](Self::modify) of a key that this table has located with this namespace.
    #[inline]
    pub fn modify_at<R>(
        &mut self,
        at: &Located<K>,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> R {
        self.0.modify_hashed(at.hash, &at.key, namespace, change)
    }
    /// Changes an entry in place; `None` removes it.
    #[inline]
    pub fn modify<R>(
        &mut self,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> R {
        self.0.modify(key, namespace, change)
    }
}

impl<K: Key, N: Key, V: Data> Table<K, N, V> for HeapTable<K, N, V> {
    #[inline]
    fn modify<R>(
        &self,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        Ok(self.borrow()?.modify(key, namespace, change))
    }
    #[inline]
    fn read<R>(&self, key: &K, namespace: &N, look: impl FnOnce(Option<&V>) -> R) -> Result<R> {
        let inner = self.inner.try_borrow().map_err(|_| self.in_use())?;
        Ok(look(inner.find(key, namespace)))
    }
    fn get_all(&self, keys: &[(K, N)]) -> Result<Vec<Option<V>>> {
        keys.iter().map(|(key, namespace)| self.read(key, namespace, |v| v.cloned())).collect()
    }
    fn put_all(&self, entries: Vec<(K, N, Option<V>)>) -> Result<()> {
        let mut inner = self.borrow()?;
        for (key, namespace, value) in entries {
            inner.modify(&key, &namespace, |slot| *slot = value);
        }
        Ok(())
    }
    #[inline]
    fn prefetch(&self, _: &mut dyn Iterator<Item = (K, N)>) -> Result<()> {
        Ok(())
    }
    fn for_each(&self, visit: &mut dyn FnMut(&K, &N, &V) -> Result<()>) -> Result<()> {
        let inner = self.inner.try_borrow().map_err(|_| self.in_use())?;
        let mut rows = inner.buckets.iter().flat_map(|bucket| bucket.rows());
        rows.try_for_each(|row| visit(&row.key, &row.namespace, &row.value))
    }
    fn clean(&self) {
        let Some(clean) = &self.clean else { return };
        self.changes.set(self.changes.get() + 1);
        if self.changes.get() >= CHANGES_A_CLEANING
            && let Ok(mut inner) = self.inner.try_borrow_mut()
        {
            self.changes.set(0);
            inner.clean_next(clean);
        }
    }
    fn compact(&self) -> Result<()> {
        let mut inner = self.borrow()?;
        if let Some(clean) = &self.clean {
            (0..inner.buckets.len()).for_each(|_| inner.clean_next(clean));
        }
        Ok(())
    }
}

impl<K: Key, N: Key, V: Clone> Buckets<K, N, V> {
    /// A bucket with as many rows is split in two: its hash table is full then. One has
    /// room for seven eighths of its places, a power of two.
    const ROWS_MAX: usize = {
        let places = (BUCKET_BYTES_MAX / size_of::<Row<K, N, V>>()).next_power_of_two();
        let places = match places * size_of::<Row<K, N, V>>() > BUCKET_BYTES_MAX {
            true => places / 2,
            false => places,
        };
        if places < 16 { 14 } else { places / 8 * 7 }
    };
    fn new() -> Self {
        Buckets {
            directory: vec![0],
            buckets: vec![Bucket::of(HashTable::new(), 0)],
            hasher: TableHasher::default(),
            to_clean: 0,
        }
    }
    #[inline]
    fn hash(&self, key: &K, namespace: &N) -> u64 {
        hash_of(&self.hasher, key, namespace)
    }
    #[inline]
    fn bucket(&self, hash: u64) -> usize {
        let place = (hash >> DIRECTORY_SHIFT) as usize & (self.directory.len() - 1);
        self.directory[place] as usize
    }
    #[inline]
    fn find(&self, key: &K, namespace: &N) -> Option<&V> {
        let hash = self.hash(key, namespace);
        let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
        let row = self.buckets[self.bucket(hash)].rows().find(hash, same);
        row.map(|row| &*row.value)
    }
    #[inline]
    fn modify<R>(&mut self, key: &K, namespace: &N, change: impl FnOnce(&mut Option<V>) -> R) -> R {
        self.modify_hashed(self.hash(key, namespace), key, namespace, change)
    }
    #[inline]
    fn modify_hashed<R>(
        &mut self,
        hash: u64,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> R {
        let bucket = self.bucket(hash);
        let rows = self.buckets[bucket].rows_mut();
        let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
        let hasher = &self.hasher;
        match rows.entry(hash, same, |row| hash_of(hasher, &row.key, &row.namespace)) {
            Entry::Occupied(entry) => row::change(entry, change),
            Entry::Vacant(entry) => {
                let mut value = None;
                let answer = change(&mut value);
                if let Some(value) = value {
                    let (key, namespace) = (key.clone(), namespace.clone());
                    let row = Row { key, namespace, value: Held::new(value) };
                    let index = entry.insert(row).bucket_index();
                    let full = rows.len() >= Self::ROWS_MAX;
                    self.buckets[bucket].learn(index);
                    if full {
                        self.split(hash);
                    }
                }
                answer
            }
        }
    }
    /// Splits the full bucket of `hash`.
    #[cold]
    fn split(&mut self, hash: u64) {
        let index = self.bucket(hash);
        let depth = self.buckets[index].depth;
        if depth >= DIRECTORY_BITS_MAX {
            return;
        }
        if 1usize << depth == self.directory.len() {
            self.directory.extend_from_within(..);
        }
        let hasher = &self.hasher;
        let hash_of_row = |row: &Row<K, N, V>| hash_of(hasher, &row.key, &row.namespace);
        // Two new tables: removed rows would leave marks in the old one, which take room.
        let table = || HashTable::with_capacity(Self::ROWS_MAX);
        let (mut low, mut high) = (table(), table());
        for row in self.buckets[index].take_rows() {
            let hash = hash_of_row(&row);
            let into = if hash >> DIRECTORY_SHIFT >> depth & 1 == 0 { &mut low } else { &mut high };
            into.insert_unique(hash, row, hash_of_row);
        }
        self.buckets[index] = Bucket::of(low, depth + 1);
        let new = self.buckets.len() as u32;
        self.buckets.push(Bucket::of(high, depth + 1));
        let first = (hash >> DIRECTORY_SHIFT) as usize & ((1 << depth) - 1) | 1 << depth;
        self.directory.iter_mut().skip(first).step_by(2 << depth).for_each(|at| *at = new);
    }
    /// Cleans the next bucket, unless a snapshot holds it: it will have its turn again.
    fn clean_next(&mut self, clean: &Clean<V>) {
        self.to_clean = (self.to_clean + 1) % self.buckets.len();
        let bucket = &mut self.buckets[self.to_clean];
        if bucket.is_shared() {
            return;
        }
        let rows = bucket.rows_mut();
        rows.retain(|row| clean(&mut row.value));
        let hasher = &self.hasher;
        if rows.len() < rows.capacity() / 4 {
            rows.shrink_to_fit(|row| hash_of(hasher, &row.key, &row.namespace));
        }
    }
}

/// The hash of an entry; also of one in the cache in front of a table on disk.
#[inline]
pub(crate) fn hash_of<K: Hash, N: Hash>(hasher: &TableHasher, key: &K, namespace: &N) -> u64 {
    let mut state = hasher.build_hasher();
    key.hash(&mut state);
    namespace.hash(&mut state);
    state.finish()
}

impl<K: Key, N: Key, V: Data> AnyTable for HeapTable<K, N, V> {
    fn compact(&self) -> Result<()> {
        Table::compact(self)
    }
    fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        // A state without entries is described, so that tools and checks know it.
        into.describe(self.description.clone());
        if into.is_dropped() {
            return Ok(());
        }
        let mut inner = self.borrow()?;
        let buckets = inner.buckets.iter_mut().filter(|bucket| !bucket.rows().is_empty());
        let part = HeapPart {
            description: self.description.clone(),
            max_parallelism: self.max_parallelism,
            groups: self.groups,
            buckets: buckets.map(Bucket::share).collect(),
            encode: self.encode,
        };
        if !part.buckets.is_empty() {
            into.defer(Box::new(part));
        }
        Ok(())
    }
}

/// The table at a cut.
struct HeapPart<K, N, V> {
    description: StateDescription,
    max_parallelism: usize,
    groups: KeyGroupRange,
    buckets: Vec<Arc<HashTable<Row<K, N, V>>>>,
    encode: Encode<K, N, V>,
}

impl<K: Key, N: Key, V: Data> DeferredSnapshot for HeapPart<K, N, V> {
    fn write(self: Box<Self>, out: &mut dyn SnapshotWriter) -> Result<()> {
        let part = *self;
        let name = &part.description.name;
        let mut entries = EntryWriter::new(name, part.groups, part.max_parallelism, out);
        // Each bucket is let go when it is written: the worker then need not copy it.
        for bucket in part.buckets {
            for row in bucket.iter() {
                entries.put_encoded(&row.key, |bytes| (part.encode)(row, bytes))?;
            }
        }
        entries.finish()
    }
}
