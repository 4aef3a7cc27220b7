//! Decoded values in front of RocksDB: written back when the cache is full, or at a barrier.
//!
//! ```text
//!   hash ──> set: a small hash table of at most SET_BYTES ──> row: key, namespace, value,
//!            (as many sets as the budget has room for)             dirty, used
//! ```
//!
//! Sets grow row by row and are full one at a time, so that a cache of millions of entries
//! never stops the worker to grow. What goes is decided by a clock that walks over the sets:
//! entries that were used since its hand was there stay, so hot keys stay.
//!
//! Invariants: the sets' tables together are at most the budget, whatever is in them; a set
//! with a dirty entry is marked; what leaves the cache has been written.

use crate::heap::{TableHasher, hash_of};
use hashbrown::HashTable;
use millstream_core::{Data, Key, Result};

/// A set's table is not larger than this: what is rebuilt at once when entries go.
const SET_BYTES_MAX: usize = 64 << 10;
const SLOTS_MIN: usize = 4;

/// One cached entry; without a value it is known not to exist.
struct Row<K, N, V> {
    key: K,
    namespace: N,
    value: Option<V>,
    /// Bytes that it holds elsewhere on the heap, by its size on disk.
    heap_bytes: u32,
    dirty: bool,
    used: bool,
}

struct Set<K, N, V> {
    rows: HashTable<Row<K, N, V>>,
    /// Whether it may have dirty entries.
    dirty: bool,
}

/// Takes an entry that goes to the database, where `None` deletes it; answers its size there.
pub(super) type Write<'w, K, N, V> = &'w mut dyn FnMut(&K, &N, Option<&V>) -> Result<usize>;

pub(super) struct WriteBack<K, N, V> {
    /// Empty until the first entry comes: then the budget is known.
    sets: Vec<Set<K, N, V>>,
    hasher: TableHasher,
    /// Rows of a set at most: its table need not grow for them.
    rows_max: usize,
    len: usize,
    /// Of all sets' tables.
    table_bytes: usize,
    heap_bytes: usize,
    /// The set that the clock's hand is at.
    hand: usize,
}

impl<K: Key, N: Key, V: Data> WriteBack<K, N, V> {
    /// Bytes of a row in a table, with its control byte.
    const ROW_BYTES: usize = size_of::<Row<K, N, V>>() + 1;

    pub(super) fn new() -> Self {
        WriteBack {
            sets: Vec::new(),
            hasher: TableHasher::default(),
            rows_max: 0,
            len: 0,
            table_bytes: 0,
            heap_bytes: 0,
            hand: 0,
        }
    }
    /// Divides the budget into sets.
    fn divide(&mut self, budget_bytes: usize) {
        let most = (SET_BYTES_MAX.min(budget_bytes) / Self::ROW_BYTES).max(SLOTS_MIN);
        let slots = 1 << most.ilog2();
        // As hashbrown fills tables: those of up to 8 places but for one, larger ones to 7/8.
        self.rows_max = if slots <= 8 { slots - 1 } else { slots / 8 * 7 };
        // A table also has some bytes at its end.
        let count = (budget_bytes / (slots * Self::ROW_BYTES + 64)).max(1);
        self.sets.resize_with(count, || Set { rows: HashTable::new(), dirty: false });
    }
    #[inline]
    fn hash(&self, key: &K, namespace: &N) -> u64 {
        hash_of(&self.hasher, key, namespace)
    }
    /// The tables use the lowest and the highest bits of a hash; these are between.
    #[inline]
    fn set_of(&self, hash: u64) -> usize {
        ((u64::from((hash >> 16) as u32) * self.sets.len() as u64) >> 32) as usize
    }
    /// Changes a cached entry; gives `change` back when it is not cached.
    #[inline]
    pub(super) fn change<R, F>(&mut self, key: &K, namespace: &N, change: F) -> Result<R, F>
    where
        F: FnOnce(&mut Option<V>) -> R,
    {
        let hash = self.hash(key, namespace);
        let at = self.set_of(hash);
        let Some(set) = self.sets.get_mut(at) else { return Err(change) };
        let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
        let Some(row) = set.rows.find_mut(hash, same) else { return Err(change) };
        (row.used, row.dirty, set.dirty) = (true, true, true);
        Ok(change(&mut row.value))
    }
    /// Looks at a cached entry; gives `look` back when it is not cached.
    #[inline]
    pub(super) fn look<R, F>(&mut self, key: &K, namespace: &N, look: F) -> Result<R, F>
    where
        F: FnOnce(Option<&V>) -> R,
    {
        match self.find(key, namespace) {
            Some(row) => {
                row.used = true;
                Ok(look(row.value.as_ref()))
            }
            None => Err(look),
        }
    }
    /// Whether an entry is cached; it then stays for a while.
    #[inline]
    pub(super) fn touch(&mut self, key: &K, namespace: &N) -> bool {
        let row = self.find(key, namespace);
        row.is_some_and(|row| {
            row.used = true;
            true
        })
    }
    #[inline]
    fn find(&mut self, key: &K, namespace: &N) -> Option<&mut Row<K, N, V>> {
        let hash = self.hash(key, namespace);
        let at = self.set_of(hash);
        let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
        self.sets.get_mut(at)?.rows.find_mut(hash, same)
    }
    /// Adds an entry that is not cached, with its size on disk, when there is room for it.
    pub(super) fn insert(&mut self, key: K, namespace: N, value: Option<V>, encoded: usize) {
        let heap_bytes = Self::heap_bytes_of(encoded);
        let hash = self.hash(&key, &namespace);
        let at = self.set_of(hash);
        let Some(set) = self.sets.get_mut(at) else { return };
        let former = set.rows.allocation_size();
        let hasher = &self.hasher;
        let row = Row { key, namespace, value, heap_bytes, dirty: false, used: true };
        set.rows.insert_unique(hash, row, |row| hash_of(hasher, &row.key, &row.namespace));
        self.table_bytes += set.rows.allocation_size() - former;
        self.len += 1;
        self.heap_bytes += heap_bytes as usize;
    }
    /// What an entry holds on the heap; types without destructors have nothing there.
    fn heap_bytes_of(encoded: usize) -> u32 {
        let has_some = std::mem::needs_drop::<(K, N, V)>();
        if has_some { u32::try_from(encoded).unwrap_or(u32::MAX) } else { 0 }
    }
    /// Bytes that it holds now.
    pub(super) fn bytes(&self) -> usize {
        self.table_bytes + self.heap_bytes
    }
    /// Lets entries go when there is no room for this one; writes those that are dirty.
    #[inline]
    pub(super) fn make_room(
        &mut self,
        key: &K,
        namespace: &N,
        budget_bytes: usize,
        write: Write<'_, K, N, V>,
    ) -> Result<()> {
        if self.sets.is_empty() {
            self.divide(budget_bytes);
        }
        let at = self.set_of(self.hash(key, namespace));
        if self.is_full(at) || self.bytes() > budget_bytes {
            self.sweep(at, budget_bytes, write)?;
        }
        Ok(())
    }
    fn is_full(&self, at: usize) -> bool {
        self.sets.get(at).is_some_and(|set| set.rows.len() >= self.rows_max)
    }
    /// Moves the clock's hand until a tenth of the entries is gone and the rest is within the
    /// budget, and makes room in the set `at`.
    #[cold]
    fn sweep(&mut self, at: usize, budget_bytes: usize, write: Write<'_, K, N, V>) -> Result<()> {
        let goal = self.len - self.len.div_ceil(10);
        let mut steps = 2 * self.sets.len();
        while (self.len > goal || self.bytes() > budget_bytes) && steps > 0 {
            steps -= 1;
            self.hand = (self.hand + 1) % self.sets.len();
            self.evict(self.hand, write)?;
        }
        while self.is_full(at) {
            self.evict(at, write)?;
        }
        Ok(())
    }
    /// Lets the entries of a set go that were not used since the last time.
    fn evict(&mut self, at: usize, write: Write<'_, K, N, V>) -> Result<()> {
        let Some(set) = self.sets.get_mut(at) else { return Ok(()) };
        if set.rows.iter().all(|row| row.used) {
            set.rows.iter_mut().for_each(|row| row.used = false);
            return Ok(());
        }
        // A new table, because removing rows one by one leaves marks that make it grow.
        let kept = HashTable::with_capacity(set.rows.iter().filter(|row| row.used).count());
        self.table_bytes -= set.rows.allocation_size();
        let rows = std::mem::replace(&mut set.rows, kept);
        let hasher = &self.hasher;
        let hash = |row: &Row<K, N, V>| hash_of(hasher, &row.key, &row.namespace);
        for mut row in rows {
            if row.used {
                row.used = false;
                set.rows.insert_unique(hash(&row), row, hash);
                continue;
            }
            if row.dirty {
                write(&row.key, &row.namespace, row.value.as_ref())?;
            }
            self.len -= 1;
            self.heap_bytes -= row.heap_bytes as usize;
        }
        self.table_bytes += set.rows.allocation_size();
        Ok(())
    }
    /// Writes all that is dirty; it stays in the cache, clean.
    pub(super) fn write_back(&mut self, write: Write<'_, K, N, V>) -> Result<()> {
        for set in self.sets.iter_mut().filter(|set| set.dirty) {
            for row in set.rows.iter_mut().filter(|row| row.dirty) {
                let bytes = write(&row.key, &row.namespace, row.value.as_ref())?;
                row.dirty = false;
                self.heap_bytes -= row.heap_bytes as usize;
                row.heap_bytes = Self::heap_bytes_of(bytes);
                self.heap_bytes += row.heap_bytes as usize;
            }
            set.dirty = false;
        }
        Ok(())
    }
}
