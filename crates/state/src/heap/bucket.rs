//! A piece of a heap table that is copied, split and cleaned as a whole.
//!
//! Invariant: `Shared` rows are never changed: to change them is to own them first.
//!
//! A bucket also guesses where in memory its rows are, only ever to prefetch them: rows
//! lie one below the other under the control bytes of the hash table, as in any version of
//! hashbrown so far. A wrong guess costs time and nothing else.

use hashbrown::HashTable;
use std::sync::Arc;

/// Rows whose hashes agree in `depth` bits.
pub(super) struct Bucket<R> {
    rows: Rows<R>,
    pub(super) depth: u32,
    /// The guessed address of the control bytes.
    control: usize,
}

enum Rows<R> {
    /// The worker's alone.
    Own(HashTable<R>),
    /// Also a snapshot's.
    Shared(Arc<HashTable<R>>),
}

impl<R: Clone> Bucket<R> {
    pub(super) fn of(rows: HashTable<R>, depth: u32) -> Self {
        let mut bucket = Bucket { rows: Rows::Own(rows), depth, control: 0 };
        bucket.learn(bucket.rows().iter_buckets().next());
        bucket
    }
    #[inline]
    pub(super) fn rows(&self) -> &HashTable<R> {
        match &self.rows {
            Rows::Own(rows) => rows,
            Rows::Shared(rows) => rows,
        }
    }
    /// The rows to change; copies them when a snapshot holds them still.
    #[inline]
    pub(super) fn rows_mut(&mut self) -> &mut HashTable<R> {
        if let Rows::Shared(_) = self.rows {
            self.take_back();
        }
        match &mut self.rows {
            Rows::Own(rows) => rows,
            Rows::Shared(shared) => Arc::make_mut(shared),
        }
    }
    #[cold]
    fn take_back(&mut self) {
        if let Rows::Shared(shared) = std::mem::replace(&mut self.rows, Rows::Own(HashTable::new()))
        {
            let rows = Arc::try_unwrap(shared).unwrap_or_else(|shared| (*shared).clone());
            self.rows = Rows::Own(rows);
            self.learn(self.rows().iter_buckets().next());
        }
    }
    /// The rows, which leave the bucket.
    pub(super) fn take_rows(&mut self) -> HashTable<R> {
        std::mem::take(self.rows_mut())
    }
    /// Guesses anew where the rows are: one is at `index` of the hash table.
    #[inline]
    pub(super) fn learn(&mut self, index: Option<usize>) {
        if let Some(index) = index
            && let Some(row) = self.rows().get_bucket(index)
        {
            let below = (index + 1).wrapping_mul(size_of::<R>());
            self.control = std::ptr::from_ref(row).addr().wrapping_add(below);
        }
    }
    /// Starts to load what a search for `hash` will look at, and does not wait for it.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        let place = hash as usize & self.rows().num_buckets().wrapping_sub(1);
        let row = self.control.wrapping_sub((place + 1).wrapping_mul(size_of::<R>()));
        prefetch(self.control.wrapping_add(place));
        prefetch(row);
        // Where the row is when the place was taken.
        prefetch(row.wrapping_sub(size_of::<R>()));
    }
    /// The rows for a snapshot.
    pub(super) fn share(&mut self) -> Arc<HashTable<R>> {
        if let Rows::Own(rows) = &mut self.rows {
            self.rows = Rows::Shared(Arc::new(std::mem::take(rows)));
        }
        match &self.rows {
            Rows::Shared(shared) => Arc::clone(shared),
            Rows::Own(_) => Arc::default(),
        }
    }
    /// Whether a snapshot holds the rows, so that a change would copy them.
    pub(super) fn is_shared(&self) -> bool {
        matches!(&self.rows, Rows::Shared(shared) if Arc::strong_count(shared) > 1)
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint to the processor: it reads nothing that the program sees, and does not
    // fault whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
}

/// There is no such hint in stable Rust for other processors.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn prefetch(_: usize) {}
