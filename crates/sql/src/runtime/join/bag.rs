//! The rows of one key in an updating join, packed into one piece of memory.
//!
//! ```text
//!   bag   := entry*
//!   entry := u32 length, row | u32 length, id | u32 count | u32 partners | i64 touched_ms
//! ```
//! All numbers little-endian. The stored form is the same (state on disk depends on it), so a
//! snapshot shares the bytes: it is written elsewhere meanwhile, and a bag that changes before
//! that is done is copied first. A row that goes leaves a hole (count 0); holes are closed when they
//! take half of the bag.
//!
//! Invariant: the bytes are whole entries; what comes from outside is checked once, by
//! [`Bag::read`].

use std::sync::Arc;

use hashbrown::HashTable;
use millstream_core::{Error, Result};

use crate::runtime::row::hash_row;
use crate::runtime::state_table::{Reader, put_delimited};

/// Where an entry begins in its bag.
pub(super) type Place = u32;

/// Rows of a key beyond which they are found by hash.
const INDEX_FROM: usize = 16;
/// Bytes behind row and id: count, partners, time.
const TAIL: usize = 16;

/// A stored row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) place: Place,
    pub(super) row: &'a [u8],
    /// What identifies the row; empty when that is all of it.
    own_id: &'a [u8],
    /// How often the row is there.
    pub(super) count: u32,
    /// Rows of the other side that match; kept for outer sides.
    pub(super) partners: u32,
    pub(super) touched_ms: i64,
}

impl<'a> Entry<'a> {
    fn id(&self) -> &'a [u8] {
        if self.own_id.is_empty() { self.row } else { self.own_id }
    }
    fn length(&self) -> usize {
        8 + self.row.len() + self.own_id.len() + TAIL
    }
    fn tail(&self) -> usize {
        self.place as usize + self.length() - TAIL
    }
}

/// Bytes that a snapshot may hold, too.
#[derive(Clone, Debug)]
enum Memory {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Default for Memory {
    fn default() -> Self {
        Memory::Own(Vec::new())
    }
}

impl std::ops::Deref for Memory {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Memory::Own(bytes) => bytes,
            Memory::Shared(bytes) => bytes,
        }
    }
}

impl Memory {
    fn share(&mut self) -> Arc<Vec<u8>> {
        let shared = match std::mem::take(self) {
            Memory::Own(bytes) => Arc::new(bytes),
            Memory::Shared(bytes) => bytes,
        };
        *self = Memory::Shared(Arc::clone(&shared));
        shared
    }
    /// The bytes to be changed; nobody else has them.
    #[inline]
    fn own(&mut self) -> &mut Vec<u8> {
        if matches!(self, Memory::Shared(_)) {
            *self = match std::mem::take(self) {
                Memory::Shared(bytes) => {
                    Memory::Own(Arc::try_unwrap(bytes).unwrap_or_else(|shared| shared.to_vec()))
                }
                own => own,
            };
        }
        match self {
            Memory::Own(bytes) => bytes,
            Memory::Shared(bytes) => Arc::make_mut(bytes),
        }
    }
}

/// The rows of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Bag {
    bytes: Memory,
    holes: usize,
    live: usize,
    /// Hash of the id and place of each row: made when a row is looked for among many.
    index: Option<Box<HashTable<(u64, Place)>>>,
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Bag {
    /// From the stored form.
    ///
    /// # Errors
    /// `Corrupt` when it is not one.
    pub(super) fn read(stored: &[u8]) -> Result<Self> {
        let mut bag = Bag::default();
        let mut reader = Reader(stored);
        while !reader.0.is_empty() {
            let (row, id) = (reader.delimited()?, reader.delimited()?);
            let (count, partners, touched_ms) = (reader.u32()?, reader.u32()?, reader.i64()?);
            if count > 0 {
                bag.push(row, id, count, partners, touched_ms)?;
            }
        }
        bag.bytes.own().shrink_to_fit();
        Ok(bag)
    }
    /// The stored form.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The stored form as it is now, whatever comes after.
    pub(super) fn share(&mut self) -> Arc<Vec<u8>> {
        self.bytes.share()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }
    /// How many rows there are, alike ones as one.
    pub(super) fn len(&self) -> usize {
        self.live
    }
    /// Whether the time of every row in the stored form is over.
    pub(super) fn is_over(stored: &[u8], is_past: impl Fn(i64) -> bool) -> bool {
        let mut reader = Reader(stored);
        let mut next_is_over = || -> Result<Option<bool>> {
            if reader.0.is_empty() {
                return Ok(None);
            }
            let (_row, _id) = (reader.delimited()?, reader.delimited()?);
            let (count, _partners, touched_ms) = (reader.u32()?, reader.u32()?, reader.i64()?);
            Ok(Some(count == 0 || is_past(touched_ms)))
        };
        // What is damaged stays, for whoever reads it to say so.
        std::iter::from_fn(|| next_is_over().unwrap_or(Some(false))).all(|is_over| is_over)
    }
    /// The entry at a place.
    #[inline]
    pub(super) fn entry(&self, place: Place) -> Entry<'_> {
        let (bytes, at) = (&self.bytes, place as usize);
        let row_end = at + 4 + number(bytes, at) as usize;
        let id_end = row_end + 4 + number(bytes, row_end) as usize;
        let mut time = [0; 8];
        time.copy_from_slice(&bytes[id_end + 8..id_end + TAIL]);
        Entry {
            place,
            row: &bytes[at + 4..row_end],
            own_id: &bytes[row_end + 4..id_end],
            count: number(bytes, id_end),
            partners: number(bytes, id_end + 4),
            touched_ms: i64::from_le_bytes(time),
        }
    }
    /// The rows that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = 0;
        let all = std::iter::from_fn(move || {
            let entry = (at < self.bytes.len()).then(|| self.entry(at as Place))?;
            at += entry.length();
            Some(entry)
        });
        all.filter(|entry| entry.count > 0)
    }
    /// The place of the row with an id.
    pub(super) fn find(&mut self, id: &[u8]) -> Option<Place> {
        if self.live < INDEX_FROM && self.index.is_none() {
            return self.iter().find(|entry| entry.id() == id).map(|entry| entry.place);
        }
        let index = self.index.take().unwrap_or_else(|| {
            let mut index = Box::new(HashTable::with_capacity(self.live * 2));
            for entry in self.iter() {
                let hash = hash_row(entry.id());
                index.insert_unique(hash, (hash, entry.place), |known| known.0);
            }
            index
        });
        let hash = hash_row(id);
        let same = |known: &(u64, Place)| known.0 == hash && self.entry(known.1).id() == id;
        let found = index.find(hash, same).map(|known| known.1);
        self.index = Some(index);
        found
    }
    /// Adds a row. An empty `id`: all of the row identifies it.
    ///
    /// # Errors
    /// Data: the rows of one key take more than 4 GiB.
    pub(super) fn push(
        &mut self,
        row: &[u8],
        id: &[u8],
        count: u32,
        partners: u32,
        touched_ms: i64,
    ) -> Result<()> {
        let length = 8 + row.len() + id.len() + TAIL;
        let place = Place::try_from(self.bytes.len()).ok();
        let place = place.filter(|place| place.checked_add(length as u32).is_some());
        let place = place.ok_or_else(|| {
            Error::data("the rows of one key of a join take more than 4 GiB")
                .advice("join by a key with fewer rows, or set table.exec.state.ttl")
        })?;
        if let Some(index) = &mut self.index {
            let hash = hash_row(if id.is_empty() { row } else { id });
            index.insert_unique(hash, (hash, place), |known| known.0);
        }
        // Most bags stay small: no room for more at first, half as much again later.
        let bytes = self.bytes.own();
        if bytes.capacity() - bytes.len() < length {
            bytes.reserve_exact(length.max(bytes.len() / 2));
        }
        put_delimited(bytes, row);
        put_delimited(bytes, id);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&partners.to_le_bytes());
        bytes.extend_from_slice(&touched_ms.to_le_bytes());
        self.live += 1;
        Ok(())
    }
    /// Writes the numbers of an entry.
    pub(super) fn set(&mut self, place: Place, count: u32, partners: u32, touched_ms: i64) {
        let tail = self.entry(place).tail();
        let bytes = self.bytes.own();
        bytes[tail..tail + 4].copy_from_slice(&count.to_le_bytes());
        bytes[tail + 4..tail + 8].copy_from_slice(&partners.to_le_bytes());
        bytes[tail + 8..tail + TAIL].copy_from_slice(&touched_ms.to_le_bytes());
    }
    /// Writes how many rows match an entry.
    pub(super) fn set_partners(&mut self, place: Place, partners: u32) {
        let at = self.entry(place).tail() + 4;
        self.bytes.own()[at..at + 4].copy_from_slice(&partners.to_le_bytes());
    }
    /// Takes an entry out. Places may change.
    pub(super) fn remove(&mut self, place: Place) {
        let (id, length, tail) = {
            let entry = self.entry(place);
            (hash_row(entry.id()), entry.length(), entry.tail())
        };
        if let Some(index) = &mut self.index
            && let Ok(known) = index.find_entry(id, |known| known.1 == place)
        {
            known.remove();
        }
        self.live -= 1;
        if place as usize + length == self.bytes.len() {
            self.bytes.own().truncate(place as usize);
            return;
        }
        self.bytes.own()[tail..tail + 4].fill(0);
        self.holes += length;
        if self.holes * 2 > self.bytes.len() {
            self.retain(|_| true);
        }
    }
    /// Keeps some entries, and closes the holes. Places change.
    pub(super) fn retain(&mut self, keep: impl Fn(&Entry<'_>) -> bool) {
        let (mut from, mut to, mut live) = (0, 0, 0);
        while from < self.bytes.len() {
            let entry = self.entry(from as Place);
            let (length, kept) = (entry.length(), entry.count > 0 && keep(&entry));
            if kept && to < from {
                self.bytes.own().copy_within(from..from + length, to);
            }
            if kept {
                to += length;
                live += 1;
            }
            from += length;
        }
        if to < from {
            let bytes = self.bytes.own();
            bytes.truncate(to);
            bytes.shrink_to(to + to / 2);
            (self.holes, self.live, self.index) = (0, live, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Rows come and go, few and many; what is stored comes back.
        #[test]
        fn a_bag_is_a_list_of_rows(
            steps in prop::collection::vec((0u8..4, 0u8..60, 0usize..9), 0..200),
            with_id: bool,
        ) {
            let (mut bag, mut model) = (Bag::default(), Vec::<(Vec<u8>, Vec<u8>, u32)>::new());
            for (step, name, length) in steps {
                let id = if with_id { vec![name, 1] } else { vec![] };
                let row = vec![name; length + 1];
                let wanted = if with_id { &id } else { &row };
                let known = model.iter().position(|m| if with_id { &m.1 } else { &m.0 } == wanted);
                let place = bag.find(wanted);
                prop_assert_eq!(place.is_some(), known.is_some());
                match (step, place, known) {
                    (0..=2, None, _) => {
                        bag.push(&row, &id, 1, 0, 7).unwrap();
                        model.push((row, id, 1));
                    }
                    (0..=1, Some(place), Some(known)) => {
                        model[known].2 += 1;
                        bag.set(place, model[known].2, 3, 8);
                        bag.set_partners(place, 5);
                        prop_assert_eq!(bag.entry(place).partners, 5);
                    }
                    (3, Some(place), Some(known)) => {
                        bag.remove(place);
                        model.remove(known);
                    }
                    _ => {}
                }
                prop_assert_eq!(bag.is_empty(), model.is_empty());
            }
            let rows = |bag: &Bag| {
                let of = |e: Entry<'_>| (e.row.to_vec(), e.own_id.to_vec(), e.count);
                let mut all: Vec<_> = bag.iter().map(of).collect();
                all.sort();
                all
            };
            model.sort();
            prop_assert_eq!(rows(&bag), model.clone());
            let stored = bag.bytes().to_vec();
            let shared = bag.share();
            prop_assert_eq!(rows(&Bag::read(&stored).unwrap()), model.clone());
            for cut in 1..stored.len().min(8) {
                prop_assert!(Bag::read(&stored[..stored.len() - cut]).is_err());
            }
            bag.retain(|entry| entry.count > 1);
            model.retain(|m| m.2 > 1);
            prop_assert_eq!(rows(&bag), model);
            prop_assert_eq!(&*shared, &stored, "what was shared stays");
        }
    }
}
