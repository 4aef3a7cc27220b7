//! Guesses where in memory the rows of a hash table are, only ever to prefetch them.
//!
//! Rows lie one below the other under the control bytes of the hash table, as in any version
//! of hashbrown so far. A wrong guess costs time and nothing else.

use hashbrown::HashTable;

/// The guessed address of a table's control bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct RowGuess(usize);

impl RowGuess {
    /// Guesses by any row that the table has.
    pub(crate) fn of<R>(rows: &HashTable<R>) -> Self {
        rows.iter_buckets().next().map_or_else(Self::default, |index| Self::at(rows, index))
    }
    /// Guesses by the row at `index` of the hash table.
    #[inline]
    pub(crate) fn at<R>(rows: &HashTable<R>, index: usize) -> Self {
        rows.get_bucket(index).map_or_else(Self::default, |row| {
            let below = (index + 1).wrapping_mul(size_of::<R>());
            RowGuess(std::ptr::from_ref(row).addr().wrapping_add(below))
        })
    }
    /// Starts to load what a search for `hash` will look at, and does not wait for it.
    #[inline]
    pub(crate) fn prefetch<R>(self, rows: &HashTable<R>, hash: u64) {
        let place = hash as usize & rows.num_buckets().wrapping_sub(1);
        let row = self.0.wrapping_sub((place + 1).wrapping_mul(size_of::<R>()));
        prefetch(self.0.wrapping_add(place));
        prefetch(row);
        // Where the row is when the place was taken.
        prefetch(row.wrapping_sub(size_of::<R>()));
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
