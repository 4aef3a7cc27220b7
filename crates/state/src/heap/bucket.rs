//! A piece of a heap table that is copied, split and cleaned as a whole.
//!
//! Invariant: `Shared` rows are never changed: to change them is to own them first.

use crate::guess::RowGuess;
use hashbrown::HashTable;
use std::sync::Arc;

/// Rows whose hashes agree in `depth` bits.
pub(super) struct Bucket<R> {
    rows: Rows<R>,
    pub(super) depth: u32,
    guess: RowGuess,
}

enum Rows<R> {
    /// The worker's alone.
    Own(HashTable<R>),
    /// Also a snapshot's.
    Shared(Arc<HashTable<R>>),
}

impl<R: Clone> Bucket<R> {
    pub(super) fn of(rows: HashTable<R>, depth: u32) -> Self {
        let guess = RowGuess::of(&rows);
        Bucket { rows: Rows::Own(rows), depth, guess }
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
            self.guess = RowGuess::of(&rows);
            self.rows = Rows::Own(rows);
        }
    }
    /// The rows, which leave the bucket.
    pub(super) fn take_rows(&mut self) -> HashTable<R> {
        std::mem::take(self.rows_mut())
    }
    /// Guesses anew where the rows are: one is at `index` of the hash table.
    #[inline]
    pub(super) fn learn(&mut self, index: usize) {
        self.guess = RowGuess::at(self.rows(), index);
    }
    /// Starts to load what a search for `hash` will look at, and does not wait for it.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        self.guess.prefetch(self.rows(), hash);
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
