//! What a record may be, and a batch of records with their event times.
//!
//! A job moves [`Batch`]es, not records: one virtual call, one channel message
//! and one look at the clock are shared by up to about a thousand records.
//!
//! Invariant: `timestamps` is empty (no record has an event time) or exactly as
//! long as `values`.

use crate::{EventTime, NO_TIMESTAMP, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::hash::Hash;

/// A record: an owned value that can be copied to two consumers, shown in an
/// error, and sent to another process. Implemented for everything that derives
/// `Clone, Debug, Serialize, Deserialize` and holds no `Cell` or `RefCell`: snapshots of
/// state are written by another thread while the worker goes on reading it (`Sync`).
pub trait Data: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static {}
impl<T: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static> Data for T {}

/// A key: a record that can be compared and hashed.
pub trait Key: Data + Eq + Hash {}
impl<T: Data + Eq + Hash> Key for T {}

/// What can travel on an edge: a [`Batch`] of rows (and, for SQL, columns).
pub trait Container: Send + 'static {
    /// Number of records.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Appends the wire form to `out`.
    ///
    /// # Errors
    /// When a record's `Serialize` refuses (user code).
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;
    /// Reads what [`encode`](Container::encode) wrote.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are of another type or damaged.
    fn decode(bytes: &[u8]) -> Result<Self>
    where
        Self: Sized;
}

/// Up to about a thousand records, each with its event time.
///
/// ```
/// use millstream_core::{Batch, NO_TIMESTAMP};
/// let mut batch = Batch::new();
/// batch.push("a", 5);
/// batch.push("b", 7);
/// assert_eq!(batch.iter().collect::<Vec<_>>(), [(&"a", 5), (&"b", 7)]);
/// let plain = Batch::from(vec![1, 2]);
/// assert_eq!(plain.timestamp(0), NO_TIMESTAMP);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<T> {
    values: Vec<T>,
    timestamps: Vec<EventTime>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Batch { values: Vec::new(), timestamps: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Batch<T> {
    fn from(values: Vec<T>) -> Self {
        Batch { values, timestamps: Vec::new() }
    }
}

impl<T> Batch<T> {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }
    /// An empty batch with room for `rows` records.
    pub fn with_capacity(rows: usize) -> Self {
        Batch { values: Vec::with_capacity(rows), timestamps: Vec::new() }
    }
    /// A batch from its columns.
    ///
    /// # Panics
    /// When `timestamps` is neither empty nor as long as `values`.
    pub fn from_parts(values: Vec<T>, timestamps: Vec<EventTime>) -> Self {
        assert!(timestamps.is_empty() || timestamps.len() == values.len());
        Batch { values, timestamps }
    }
    /// The columns: values, and event times (empty when there are none).
    pub fn into_parts(self) -> (Vec<T>, Vec<EventTime>) {
        (self.values, self.timestamps)
    }
    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }
    /// Whether there is no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
    /// Adds a record; `timestamp` may be [`NO_TIMESTAMP`].
    #[inline]
    pub fn push(&mut self, value: T, timestamp: EventTime) {
        if timestamp != NO_TIMESTAMP || !self.timestamps.is_empty() {
            self.push_timestamp(timestamp);
        }
        self.values.push(value);
    }
    #[inline]
    fn push_timestamp(&mut self, timestamp: EventTime) {
        if self.timestamps.capacity() == self.timestamps.len() {
            self.grow_timestamps();
        }
        self.timestamps.push(timestamp);
    }
    /// Room for as many times as there is for values; times for records that have none.
    #[cold]
    fn grow_timestamps(&mut self) {
        let wanted = self.values.capacity().max(self.values.len() + 1);
        self.timestamps.reserve(wanted - self.timestamps.len());
        self.timestamps.resize(self.values.len(), NO_TIMESTAMP);
    }
    /// Adds all records of `other`, in order.
    pub fn append(&mut self, mut other: Batch<T>) {
        if self.values.is_empty() && self.values.capacity() < 2 * other.values.len() {
            // Its memory is nearly as good as ours.
            *self = other;
        } else if self.timestamps.is_empty() && other.timestamps.is_empty() {
            self.values.append(&mut other.values);
        } else {
            self.timestamps.resize(self.values.len(), NO_TIMESTAMP);
            other.timestamps.resize(other.values.len(), NO_TIMESTAMP);
            self.timestamps.append(&mut other.timestamps);
            self.values.append(&mut other.values);
        }
    }
    /// Moves every record to the end of the batch in `targets` that `owners` has at its row.
    ///
    /// ```
    /// # use millstream_core::Batch;
    /// let mut targets = [Batch::new(), Batch::new()];
    /// Batch::from(vec!["a", "b", "c"]).deal_out(&[0, 1, 0], &mut targets);
    /// assert_eq!(targets[0].values(), ["a", "c"]);
    /// ```
    ///
    /// # Panics
    /// When there are not as many owners as records, or an owner is no index of `targets`.
    pub fn deal_out(self, owners: &[u16], targets: &mut [Batch<T>]) {
        assert_eq!(owners.len(), self.len());
        let timed = !self.timestamps.is_empty();
        if timed {
            for target in targets.iter_mut() {
                target.timestamps.resize(target.values.len(), NO_TIMESTAMP);
                target.timestamps.reserve(target.values.capacity() - target.values.len());
            }
            // Both columns in one loop: they wait for their places at the same time.
            let rows = self.values.into_iter().zip(self.timestamps);
            for ((value, timestamp), owner) in rows.zip(owners) {
                let target = &mut targets[usize::from(*owner)];
                target.values.push(value);
                target.timestamps.push(timestamp);
            }
            return;
        }
        for (value, owner) in self.values.into_iter().zip(owners) {
            targets[usize::from(*owner)].values.push(value);
        }
        for target in targets.iter_mut().filter(|t| !t.timestamps.is_empty()) {
            target.timestamps.resize(target.values.len(), NO_TIMESTAMP);
        }
    }
    /// The event time of record `row`, or [`NO_TIMESTAMP`].
    #[inline]
    pub fn timestamp(&self, row: usize) -> EventTime {
        self.timestamps.get(row).copied().unwrap_or(NO_TIMESTAMP)
    }
    /// All values.
    pub fn values(&self) -> &[T] {
        &self.values
    }
    /// All event times: empty when no record has one.
    pub fn timestamps(&self) -> &[EventTime] {
        &self.timestamps
    }
    /// Records with their event times.
    pub fn iter(&self) -> impl Iterator<Item = (&T, EventTime)> {
        self.values.iter().enumerate().map(|(row, value)| (value, self.timestamp(row)))
    }
    /// Replaces every value, keeping event times; allocates only when `U` does not fit
    /// the place of `T`.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Batch<U> {
        Batch { values: self.values.into_iter().map(f).collect(), timestamps: self.timestamps }
    }
    /// Keeps the records for which `f` holds.
    pub fn retain(&mut self, mut f: impl FnMut(&T) -> bool) {
        if self.timestamps.is_empty() {
            return self.values.retain(f);
        }
        let mut kept = 0;
        let timestamps = &mut self.timestamps;
        let mut row = 0;
        self.values.retain(|value| {
            let keep = f(value);
            if keep {
                timestamps[kept] = timestamps[row];
                kept += 1;
            }
            row += 1;
            keep
        });
        timestamps.truncate(kept);
    }
}

impl<T> IntoIterator for Batch<T> {
    type Item = (T, EventTime);
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> IntoIter<T> {
        IntoIter { values: self.values.into_iter(), timestamps: self.timestamps.into_iter() }
    }
}

/// Records of a [`Batch`] with their event times, by value.
#[derive(Debug)]
pub struct IntoIter<T> {
    values: std::vec::IntoIter<T>,
    timestamps: std::vec::IntoIter<EventTime>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = (T, EventTime);
    #[inline]
    fn next(&mut self) -> Option<(T, EventTime)> {
        let value = self.values.next()?;
        Some((value, self.timestamps.next().unwrap_or(NO_TIMESTAMP)))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.values.size_hint()
    }
}

impl<T: Data> Container for Batch<T> {
    fn len(&self) -> usize {
        self.values.len()
    }
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let taken = std::mem::take(out);
        *out = postcard::to_extend(&(&self.values, &self.timestamps), taken)?;
        Ok(())
    }
    fn decode(bytes: &[u8]) -> Result<Self> {
        let (values, timestamps): (Vec<T>, Vec<EventTime>) = postcard::from_bytes(bytes)?;
        if !timestamps.is_empty() && timestamps.len() != values.len() {
            return Err(crate::Error::corrupt("a batch has another number of times than values"));
        }
        Ok(Batch { values, timestamps })
    }
}

/// A batch (or a row) of the first or of the second input of a two-input operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Either<A, B> {
    /// From the first input.
    Left(A),
    /// From the second input.
    Right(B),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn append_retain_and_the_wire_keep_value_and_time_together(
            a in prop::collection::vec((0u32..100, prop::option::of(-9i64..9)), 0..20),
            b in prop::collection::vec((0u32..100, prop::option::of(-9i64..9)), 0..20),
        ) {
            let batch_of = |rows: &[(u32, Option<i64>)]| {
                let mut batch = Batch::new();
                for (value, time) in rows {
                    batch.push(*value, time.unwrap_or(NO_TIMESTAMP));
                }
                batch
            };
            let mut batch = batch_of(&a);
            batch.append(batch_of(&b));
            batch.retain(|v| v % 3 != 0);
            let mut bytes = Vec::new();
            batch.encode(&mut bytes).unwrap();
            let got: Vec<_> = Batch::<u32>::decode(&bytes).unwrap().into_iter().collect();
            let want: Vec<_> = a.into_iter().chain(b)
                .filter(|(v, _)| v % 3 != 0)
                .map(|(v, t)| (v, t.unwrap_or(NO_TIMESTAMP)))
                .collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn dealing_out_is_pushing_one_by_one(
            batches in prop::collection::vec(
                prop::collection::vec((0u32..100, prop::option::of(-9i64..9), 0u16..3), 0..9), 0..5),
        ) {
            let (mut got, mut want) = (vec![Batch::new(); 3], vec![Batch::new(); 3]);
            for rows in batches {
                let (mut batch, mut owners) = (Batch::new(), Vec::new());
                for (value, time, owner) in rows {
                    batch.push(value, time.unwrap_or(NO_TIMESTAMP));
                    want[owner as usize].push(value, time.unwrap_or(NO_TIMESTAMP));
                    owners.push(owner);
                }
                batch.deal_out(&owners, &mut got);
            }
            for (got, want) in got.into_iter().zip(want) {
                prop_assert!(got.timestamps.is_empty() || got.timestamps.len() == got.len());
                prop_assert!(got.into_iter().eq(want));
            }
        }
    }
}
