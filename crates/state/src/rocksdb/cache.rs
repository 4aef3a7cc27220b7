//! Decoded values in front of RocksDB: written back when the cache is full, or at a barrier.
//!
//! ```text
//!   hash ──> directory ──> set: a hash table of fixed size ──> row: key, namespace, value,
//!            (extendible hashing: a full set is split          dirty, used, stored
//!             in two while the budget has room)
//! ```
//!
//! Sets are split one at a time, so that a cache of millions of entries never stops the worker
//! to grow; and all tables have one size, so that one fits where another one was. When the
//! budget has no more room, entries of full sets go that were not used since the last ones
//! went: hot keys stay.
//!
//! A cache that began with an empty database and never let an entry go is *complete*: what is
//! not here is nowhere, and the database need not be asked. Most keys of a young state are new.
//!
//! Invariants: the sets' tables with what their rows hold elsewhere are at most the budget,
//! or there is one set; a set with a dirty entry is marked; what leaves the cache has been
//! written; while it is complete, every entry of the database is here.

use super::dirty::DirtyOf;
use crate::guess::RowGuess;
use crate::heap::{TableHasher, hash_of};
use hashbrown::HashTable;
use millstream_core::{Data, Key, Result};

/// A set's table is not larger than this: what is split or walked over at once.
const SET_BYTES_MAX: usize = 64 << 10;
/// A smaller budget has smaller sets, so that there are several.
const SETS_MIN: usize = 8;
const SLOTS_MIN: usize = 4;
/// The directory has at most two to this many places.
const DIRECTORY_BITS_MAX: u32 = 24;
/// The directory uses hash bits from here on; the hash tables of the sets use others.
const DIRECTORY_SHIFT: u32 = 24;
/// About so many entries go at once when the cache is full, so that they can be written in the
/// order of their keys.
const SWEEP_ROWS: usize = 1 << 14;

/// One cached entry; without a value it is known not to exist.
struct Row<K, N, V> {
    key: K,
    namespace: N,
    value: Option<V>,
    /// Bytes that it holds elsewhere on the heap, by its size on disk.
    heap_bytes: u32,
    dirty: bool,
    used: bool,
    /// Whether the database may have it.
    stored: bool,
}

struct Set<K, N, V> {
    rows: HashTable<Row<K, N, V>>,
    /// How many bits of the hash its rows agree in.
    depth: u32,
    guess: RowGuess,
    /// Whether it may have dirty entries.
    dirty: bool,
}

impl<K, N, V> Set<K, N, V> {
    fn new(rows_max: usize, depth: u32) -> Self {
        let rows = HashTable::with_capacity(rows_max);
        Set { rows, depth, guess: RowGuess::default(), dirty: false }
    }
}

/// Takes an entry that goes to the database, where `None` deletes it; answers its size there.
pub(super) type Write<'w, K, N, V> = &'w mut dyn FnMut(&K, &N, Option<&V>) -> Result<usize>;

pub(super) struct WriteBack<K, N, V> {
    /// Empty until the first entry comes: then the budget is known.
    sets: Vec<Set<K, N, V>>,
    directory: Vec<u32>,
    hasher: TableHasher,
    /// Rows of a set at most: its table need not grow for them.
    rows_max: usize,
    len: usize,
    /// Of all sets' tables.
    table_bytes: usize,
    heap_bytes: usize,
    /// What a new entry will be counted as until it is written: about the size of those that
    /// were.
    encoded_guess: usize,
    /// The set that the clock's hand is at.
    hand: usize,
    is_complete: bool,
    /// Whether the database has nothing yet.
    is_first: bool,
    /// Where all entries of a key are asked for: those that are dirty.
    dirty: Option<DirtyOf<K, N>>,
    /// Scratch: the rows that stay in a set.
    kept: Vec<Row<K, N, V>>,
}

impl<K: Key, N: Key, V: Data> WriteBack<K, N, V> {
    /// Whether entries hold something elsewhere on the heap; types without destructors do not.
    const HAS_HEAP: bool = std::mem::needs_drop::<(K, N, V)>();
    /// Bytes of a row in a table, with its control byte.
    const ROW_BYTES: usize = size_of::<Row<K, N, V>>() + 1;

    /// `is_complete`: the database is empty.
    pub(super) fn new(is_complete: bool) -> Self {
        WriteBack {
            sets: Vec::new(),
            directory: vec![0],
            hasher: TableHasher::default(),
            rows_max: 0,
            len: 0,
            table_bytes: 0,
            heap_bytes: 0,
            encoded_guess: size_of::<(K, N, V)>(),
            hand: 0,
            is_complete,
            is_first: is_complete,
            dirty: None,
            kept: Vec::new(),
        }
    }
    /// One that knows which entries [of a key](Self::dirty_of) are dirty.
    pub(super) fn by_key(is_complete: bool) -> Self {
        WriteBack { dirty: Some(DirtyOf::new()), ..Self::new(is_complete) }
    }
    /// Begins with one set, whose size follows from the budget.
    #[cold]
    fn begin(&mut self, budget_bytes: usize) {
        let bytes = SET_BYTES_MAX.min(budget_bytes / SETS_MIN);
        let slots = 1 << (bytes / Self::ROW_BYTES).max(SLOTS_MIN).ilog2();
        // As hashbrown fills tables: those of up to 8 places but for one, larger ones to 7/8.
        self.rows_max = if slots <= 8 { slots - 1 } else { slots / 8 * 7 };
        self.directory = vec![0];
        self.sets = vec![Set::new(self.rows_max, 0)];
        self.table_bytes = self.sets[0].rows.allocation_size();
        self.hand = 0;
    }
    /// The entries of a key that may differ from what the database says.
    pub(super) fn dirty_of(&self, key: &K) -> impl Iterator<Item = (&N, Option<&V>)> {
        let namespaces = self.dirty.as_ref().map_or(&[][..], |dirty| dirty.of(key));
        namespaces.iter().map(|namespace| {
            let hash = self.hash(key, namespace);
            let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
            let set = self.sets.get(self.set_of(hash));
            let row = set.and_then(|set| set.rows.find(hash, same));
            (namespace, row.and_then(|row| row.value.as_ref()))
        })
    }
    /// Whether nothing was written to the database yet, which was empty.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }
    /// Whether an entry that is not here is not in the database either.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }
    #[inline]
    pub(super) fn hash(&self, key: &K, namespace: &N) -> u64 {
        hash_of(&self.hasher, key, namespace)
    }
    #[inline]
    fn set_of(&self, hash: u64) -> usize {
        let place = (hash >> DIRECTORY_SHIFT) as usize & (self.directory.len() - 1);
        self.directory[place] as usize
    }
    /// Starts to load what a look at the entry of this hash will need, and does not wait.
    #[inline]
    pub(super) fn approach(&self, hash: u64) {
        if let Some(set) = self.sets.get(self.set_of(hash)) {
            set.guess.prefetch(&set.rows, hash);
        }
    }
    /// Changes a cached entry; gives `change` back when it is not cached.
    #[inline]
    pub(super) fn change<R, F>(
        &mut self,
        hash: u64,
        key: &K,
        namespace: &N,
        change: F,
    ) -> Result<R, F>
    where
        F: FnOnce(&mut Option<V>) -> R,
    {
        let at = self.set_of(hash);
        let Some(set) = self.sets.get_mut(at) else { return Err(change) };
        let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
        let Some(row) = set.rows.find_mut(hash, same) else { return Err(change) };
        if let (false, Some(dirty)) = (row.dirty, &mut self.dirty) {
            dirty.add(key, namespace);
        }
        (row.used, row.dirty, set.dirty) = (true, true, true);
        Ok(change(&mut row.value))
    }
    /// Looks at a cached entry; gives `look` back when it is not cached.
    #[inline]
    pub(super) fn look<R, F>(&mut self, hash: u64, key: &K, namespace: &N, look: F) -> Result<R, F>
    where
        F: FnOnce(Option<&V>) -> R,
    {
        match self.find(hash, key, namespace) {
            Some(row) => {
                row.used = true;
                Ok(look(row.value.as_ref()))
            }
            None => Err(look),
        }
    }
    /// Whether an entry is cached; it then stays for a while.
    #[inline]
    pub(super) fn touch(&mut self, hash: u64, key: &K, namespace: &N) -> bool {
        let row = self.find(hash, key, namespace);
        row.is_some_and(|row| {
            row.used = true;
            true
        })
    }
    #[inline]
    fn find(&mut self, hash: u64, key: &K, namespace: &N) -> Option<&mut Row<K, N, V>> {
        let at = self.set_of(hash);
        let same = |row: &Row<K, N, V>| row.key == *key && row.namespace == *namespace;
        self.sets.get_mut(at)?.rows.find_mut(hash, same)
    }
    /// Adds an entry of the database that is not cached, with its size there, when
    /// [room](Self::make_room) was made for it.
    pub(super) fn insert_stored(
        &mut self,
        hash: u64,
        key: K,
        namespace: N,
        value: Option<V>,
        encoded: usize,
    ) {
        let stored = value.is_some();
        self.insert(hash, key, namespace, value, encoded, |row| row.stored = stored);
    }
    /// Adds an entry that is not cached and differs from the database, when room was made for
    /// it. `stored`: whether the database may have one.
    pub(super) fn insert_changed(
        &mut self,
        hash: u64,
        key: K,
        namespace: N,
        value: Option<V>,
        stored: bool,
    ) {
        let encoded = self.encoded_guess;
        self.insert(hash, key, namespace, value, encoded, |row| {
            (row.dirty, row.stored) = (true, stored);
        });
    }
    #[inline]
    fn insert(
        &mut self,
        hash: u64,
        key: K,
        namespace: N,
        value: Option<V>,
        encoded: usize,
        mark: impl FnOnce(&mut Row<K, N, V>),
    ) {
        let heap_bytes = Self::heap_bytes_of(encoded);
        let at = self.set_of(hash);
        let Some(set) = self.sets.get_mut(at) else { return };
        let mut row =
            Row { key, namespace, value, heap_bytes, dirty: false, used: true, stored: false };
        mark(&mut row);
        set.dirty |= row.dirty;
        if let (true, Some(dirty)) = (row.dirty, &mut self.dirty) {
            dirty.add(&row.key, &row.namespace);
        }
        let hasher = &self.hasher;
        let hash_of_row = |row: &Row<K, N, V>| hash_of(hasher, &row.key, &row.namespace);
        let index = set.rows.insert_unique(hash, row, hash_of_row).bucket_index();
        set.guess = RowGuess::at(&set.rows, index);
        self.len += 1;
        self.heap_bytes += heap_bytes as usize;
    }
    /// What an entry holds on the heap.
    fn heap_bytes_of(encoded: usize) -> u32 {
        if Self::HAS_HEAP { u32::try_from(encoded).unwrap_or(u32::MAX) } else { 0 }
    }
    /// Bytes that it holds now.
    pub(super) fn bytes(&self) -> usize {
        let dirty = self.dirty.as_ref().map_or(0, DirtyOf::bytes);
        self.table_bytes + self.heap_bytes + dirty
    }
    /// Makes room for an entry of this hash: splits its set, or lets others go and writes those
    /// of them that are dirty.
    #[inline]
    pub(super) fn make_room(
        &mut self,
        hash: u64,
        budget_bytes: usize,
        write: Write<'_, K, N, V>,
    ) -> Result<()> {
        let at = self.set_of(hash);
        match self.sets.get(at) {
            Some(set) if set.rows.len() < self.rows_max && self.bytes() <= budget_bytes => Ok(()),
            Some(_) => self.split_or_sweep(hash, budget_bytes, write),
            None => {
                self.begin(budget_bytes);
                Ok(())
            }
        }
    }
    #[cold]
    fn split_or_sweep(
        &mut self,
        hash: u64,
        budget_bytes: usize,
        write: Write<'_, K, N, V>,
    ) -> Result<()> {
        let a_table = self.table_bytes / self.sets.len();
        loop {
            let at = self.set_of(hash);
            let fits = self.bytes() <= budget_bytes;
            if fits && self.sets[at].rows.len() < self.rows_max {
                return Ok(());
            }
            if self.bytes() + a_table > budget_bytes || !self.split(at) {
                return self.sweep(at, budget_bytes, write);
            }
        }
    }
    /// Splits a set in two by the next bit of its rows' hashes, if there is one.
    fn split(&mut self, at: usize) -> bool {
        let depth = self.sets[at].depth;
        if depth >= DIRECTORY_BITS_MAX {
            return false;
        }
        let Some(row) = self.sets[at].rows.iter().next() else { return false };
        let hash = self.hash(&row.key, &row.namespace);
        if 1usize << depth == self.directory.len() {
            self.directory.extend_from_within(..);
        }
        let mut high = Set::new(self.rows_max, depth + 1);
        self.table_bytes += high.rows.allocation_size();
        let set = &mut self.sets[at];
        (set.depth, high.dirty) = (depth + 1, set.dirty);
        let hasher = &self.hasher;
        let hash_of_row = |row: &Row<K, N, V>| hash_of(hasher, &row.key, &row.namespace);
        // All rows leave, because removing them one by one leaves marks that make a table grow.
        let mut kept = std::mem::take(&mut self.kept);
        for row in set.rows.drain() {
            let hash = hash_of_row(&row);
            match hash >> DIRECTORY_SHIFT >> depth & 1 {
                0 => kept.push(row),
                _ => drop(high.rows.insert_unique(hash, row, hash_of_row)),
            }
        }
        for row in kept.drain(..) {
            set.rows.insert_unique(hash_of_row(&row), row, hash_of_row);
        }
        (set.guess, high.guess) = (RowGuess::of(&set.rows), RowGuess::of(&high.rows));
        self.kept = kept;
        let new = self.sets.len() as u32;
        self.sets.push(high);
        let first = (hash >> DIRECTORY_SHIFT) as usize & ((1 << depth) - 1) | 1 << depth;
        self.directory.iter_mut().skip(first).step_by(2 << depth).for_each(|at| *at = new);
        true
    }
    /// Moves the clock's hand until some entries are gone, of sets that are almost full, and all
    /// is within the budget, and makes room in the set `at`.
    fn sweep(&mut self, at: usize, budget_bytes: usize, write: Write<'_, K, N, V>) -> Result<()> {
        if self.sets[at].rows.len() >= self.rows_max {
            self.evict(at, write)?;
        }
        let goal = self.len.saturating_sub(SWEEP_ROWS.min(self.len / 10));
        // Sets with room are left alone, or the cache would never become full again.
        let almost_full = self.rows_max / 8 * 7;
        let mut steps = self.sets.len();
        while self.len > goal && steps > 0 {
            steps -= 1;
            self.hand = (self.hand + 1) % self.sets.len();
            if self.sets[self.hand].rows.len() >= almost_full {
                self.evict(self.hand, write)?;
            }
        }
        self.shrink(budget_bytes, write)
    }
    /// Lets entries go until all is within the budget.
    fn shrink(&mut self, budget_bytes: usize, write: Write<'_, K, N, V>) -> Result<()> {
        let mut steps = 4 * self.sets.len();
        while self.bytes() > budget_bytes && steps > 0 {
            steps -= 1;
            self.hand = (self.hand + 1) % self.sets.len();
            self.evict(self.hand, write)?;
        }
        // Tables that the budget has no room for any more, or too few rows: when entries have
        // become large, or new states share the budget.
        let has_few = steps < 4 * self.sets.len() && self.len < self.sets.len() * self.rows_max / 8;
        if self.sets.len() > 1 && (has_few || self.bytes() > budget_bytes) {
            (0..self.sets.len()).try_for_each(|at| self.clear(at, write))?;
            self.begin(budget_bytes);
        }
        Ok(())
    }
    /// Lets all entries of a set go.
    fn clear(&mut self, at: usize, write: Write<'_, K, N, V>) -> Result<()> {
        self.sets[at].rows.iter_mut().for_each(|row| row.used = false);
        self.evict(at, write)
    }
    /// Lets the entries of a set go that were not used since the last time; half of them, when
    /// all were.
    fn evict(&mut self, at: usize, write: Write<'_, K, N, V>) -> Result<()> {
        let set = &mut self.sets[at];
        if set.rows.iter().all(|row| row.used) {
            set.rows.iter_mut().step_by(2).for_each(|row| row.used = false);
        }
        // All rows leave, as when a set is split.
        let mut kept = std::mem::take(&mut self.kept);
        for mut row in set.rows.drain() {
            if row.used {
                row.used = false;
                kept.push(row);
                continue;
            }
            if let (true, Some(dirty)) = (row.dirty, &mut self.dirty) {
                dirty.remove(&row.key, &row.namespace);
            }
            if let Some(encoded) = row.write(write)? {
                self.encoded_guess = (15 * self.encoded_guess + encoded).div_ceil(16);
            }
            self.is_first &= !row.stored;
            self.is_complete &= !row.stored;
            self.len -= 1;
            self.heap_bytes -= row.heap_bytes as usize;
        }
        let hasher = &self.hasher;
        let hash_of_row = |row: &Row<K, N, V>| hash_of(hasher, &row.key, &row.namespace);
        for row in kept.drain(..) {
            set.rows.insert_unique(hash_of_row(&row), row, hash_of_row);
        }
        set.guess = RowGuess::of(&set.rows);
        self.kept = kept;
        Ok(())
    }
    /// Writes all that is dirty; it stays in the cache, clean, as far as there is room: now the
    /// sizes are known.
    pub(super) fn write_back(
        &mut self,
        budget_bytes: usize,
        write: Write<'_, K, N, V>,
    ) -> Result<()> {
        for set in self.sets.iter_mut().filter(|set| set.dirty) {
            for row in set.rows.iter_mut() {
                if let Some(encoded) = row.write(write)? {
                    self.encoded_guess = (15 * self.encoded_guess + encoded).div_ceil(16);
                    self.is_first &= !row.stored;
                    self.heap_bytes -= row.heap_bytes as usize;
                    row.heap_bytes = Self::heap_bytes_of(encoded);
                    self.heap_bytes += row.heap_bytes as usize;
                }
            }
            set.dirty = false;
        }
        if let Some(dirty) = &mut self.dirty {
            dirty.clear();
        }
        if self.sets.is_empty() { Ok(()) } else { self.shrink(budget_bytes, write) }
    }
}

impl<K, N, V> Row<K, N, V> {
    /// Writes the entry, if it is dirty; answers its size in the database then.
    #[inline]
    fn write(&mut self, write: Write<'_, K, N, V>) -> Result<Option<usize>> {
        if !self.dirty {
            return Ok(None);
        }
        // What came and went between two barriers is nothing to the database.
        let encoded = match self.value.is_some() || self.stored {
            true => write(&self.key, &self.namespace, self.value.as_ref())?,
            false => 0,
        };
        (self.dirty, self.stored) = (false, self.value.is_some());
        Ok(Some(encoded))
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
