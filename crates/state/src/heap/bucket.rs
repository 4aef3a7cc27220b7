//! A piece of a heap table that is copied, split and cleaned as a whole.
//!
//! Invariant: `Shared` rows are never changed: to change them is to own them first.

use hashbrown::HashTable;
use std::sync::Arc;

/// Rows whose hashes agree in `depth` bits.
pub(super) struct Bucket<R> {
    rows: Rows<R>,
    pub(super) depth: u32,
}

enum Rows<R> {
    /// The worker's alone.
    Own(HashTable<R>),
    /// Also a snapshot's.
    Shared(Arc<HashTable<R>>),
}

impl<R: Clone> Bucket<R> {
    pub(super) fn new(depth: u32) -> Self {
        Bucket { rows: Rows::Own(HashTable::new()), depth }
    }
    /// One that need not grow until it has `rows` rows.
    pub(super) fn with_capacity(depth: u32, rows: usize) -> Self {
        Bucket { rows: Rows::Own(HashTable::with_capacity(rows)), depth }
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
        }
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
