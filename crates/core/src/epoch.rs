//! Checkpoint epochs: the number of the cut that a record belongs to.
//!
//! A source numbers its output with the current epoch and moves to the next one
//! when a checkpoint is triggered; the snapshot of epoch `e` holds the effect of
//! all records of epochs up to and including `e`, and of no other.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a checkpoint cut; the first epoch of a fresh job is 1.
///
/// ```
/// use millstream_core::Epoch;
/// assert_eq!(Epoch::FIRST.next(), Epoch(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch in which a fresh job starts.
    pub const FIRST: Epoch = Epoch(1);

    /// The epoch after this one.
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
