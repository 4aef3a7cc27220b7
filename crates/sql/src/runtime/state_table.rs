//! Keyed state of SQL operators: keys as row bytes, state in dense slots.
//!
//! ```text
//!   key bytes ──hash──> slot 0, 1, 2 ..     what a slot holds is the operator's business:
//!                                           columns of accumulators, bags of rows
//!   snapshot: (state name, key group of the key) -> (key, bytes of the slot)
//! ```
//!
//! This module and [`backing`](super::backing), for state that a backend keeps, are the only ones
//! that know how the state of SQL operators is stored and restored.
//!
//! Invariants: a slot belongs to one key at a time; the key group of a key is that of the
//! exchange in front ([`hash_row`]), so a restored subtask owns what it is sent.

use hashbrown::HashTable;
use millstream_core::{Error, Result, Watermark};
use millstream_runtime::state::{Bytes, HashedKey};
use millstream_runtime::{OperatorContext, OperatorSnapshot};

use super::backing::{Backing, Home};
use super::row::{Rows, hash_row};

/// Stores one entry of the keyed state `name`.
///
/// # Errors
/// When the snapshot refuses.
pub fn store(
    snapshot: &mut OperatorSnapshot,
    name: &str,
    context: &OperatorContext,
    key: &[u8],
    value: Vec<u8>,
) -> Result<()> {
    let groups = context.subtask.max_parallelism;
    snapshot.put_keyed(name, groups, &Bytes(key.to_vec()), &Bytes(value))
}

/// Every entry of the keyed state `name` that this subtask owns.
///
/// # Errors
/// `Corrupt` when stored bytes do not decode.
pub fn restore(context: &OperatorContext, name: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let entries = context.restored.keyed::<Bytes, Bytes>(name, &context.subtask)?;
    Ok(entries.into_iter().map(|(key, value)| (key.0, value.0)).collect())
}

const WATERMARK_STATE: &str = "watermark";

/// Stores the event time that an operator has reached.
///
/// # Errors
/// When the snapshot refuses.
pub fn store_watermark(snapshot: &mut OperatorSnapshot, watermark: Watermark) -> Result<()> {
    snapshot.put_list(WATERMARK_STATE, &watermark.0)
}

/// The lowest watermark that former subtasks stored; before all times on a fresh start.
///
/// # Errors
/// `Corrupt` when stored bytes do not decode.
pub fn restored_watermark(context: &OperatorContext) -> Result<Watermark> {
    let all = context.restored.list_union::<i64>(WATERMARK_STATE)?;
    Ok(all.into_iter().min().map_or(Watermark::MIN, Watermark))
}

/// Index of a key's state.
pub type Slot = u32;

/// Longest key that is kept without an allocation: two BIGINT and a bit map fit.
const INLINE_BYTES: usize = 22;

/// The bytes of a key.
#[derive(Clone, Debug, Default)]
pub(super) enum KeyBytes {
    /// Nobody's.
    #[default]
    Free,
    Inline(u8, [u8; INLINE_BYTES]),
    Heap(Box<[u8]>),
}

impl KeyBytes {
    fn new(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_BYTES {
            return KeyBytes::Heap(bytes.into());
        }
        let mut inline = [0; INLINE_BYTES];
        inline[..bytes.len()].copy_from_slice(bytes);
        KeyBytes::Inline(bytes.len() as u8, inline)
    }
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            KeyBytes::Free => &[],
            KeyBytes::Inline(length, inline) => &inline[..*length as usize],
            KeyBytes::Heap(bytes) => bytes,
        }
    }
    fn is_used(&self) -> bool {
        !matches!(self, KeyBytes::Free)
    }
}

/// Keys to slots. Slots of removed keys are given out again.
#[derive(Debug, Default)]
pub struct KeyTable {
    slots: HashTable<Slot>,
    /// Hash and key of each slot.
    keys: Vec<(u64, KeyBytes)>,
    free: Vec<Slot>,
    pub(super) home: Home,
}

/// Key groups are cut from the high bits, and a subtask owns few groups: the table must not
/// take its tags from there.
#[inline]
fn table_hash(hash: u64) -> u64 {
    hash.rotate_left(32)
}

impl KeyTable {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.slots.len()
    }
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
    /// One more than the largest slot ever given out.
    pub fn capacity(&self) -> usize {
        self.keys.len()
    }
    /// The slot of a key, if it has one.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        let keys = &self.keys;
        let same = |slot: &Slot| {
            let (known, bytes) = &keys[*slot as usize];
            *known == hash && bytes.bytes() == key
        };
        self.slots.find(table_hash(hash), same).copied()
    }
    /// The slot of a key, and whether it is new.
    #[inline]
    pub fn find_or_insert(&mut self, hash: u64, key: &[u8]) -> (Slot, bool) {
        match self.find(hash, key) {
            Some(slot) => (slot, false),
            None => (self.insert(hash, key), true),
        }
    }
    fn insert(&mut self, hash: u64, key: &[u8]) -> Slot {
        let slot = self.claim();
        self.keys[slot as usize] = (hash, KeyBytes::new(key));
        self.link(slot, hash);
        if let Home::Backend(backing) = &mut self.home {
            backing.add_slot(slot, key.len());
        }
        slot
    }
    fn claim(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.keys.push((0, KeyBytes::Free));
            (self.keys.len() - 1) as Slot
        })
    }
    fn link(&mut self, slot: Slot, hash: u64) {
        let keys = &self.keys;
        let hash_of = |slot: &Slot| table_hash(keys[*slot as usize].0);
        self.slots.insert_unique(table_hash(hash), slot, hash_of);
    }
    fn unlink(&mut self, slot: Slot) -> Option<(u64, KeyBytes)> {
        let place = self.keys.get_mut(slot as usize).filter(|(_, bytes)| bytes.is_used())?;
        let entry = std::mem::take(place);
        if let Ok(found) = self.slots.find_entry(table_hash(entry.0), |s| *s == slot) {
            found.remove();
        }
        Some(entry)
    }
    /// Takes a key out; its slot is free for another.
    pub fn remove(&mut self, slot: Slot) {
        let Some(entry) = self.unlink(slot) else { return };
        self.free.push(slot);
        if let Home::Backend(backing) = &mut self.home {
            backing.remove_slot(slot, entry);
        }
    }
    /// The state of a slot is not what is stored of it any more.
    #[inline]
    pub fn changed(&mut self, slot: Slot) {
        if let Home::Backend(backing) = &mut self.home {
            backing.change_slot(slot);
        }
    }
    /// What is behind it, if that is a backend.
    pub(super) fn backing(&mut self) -> Option<&mut Backing> {
        match &mut self.home {
            Home::Backend(backing) => Some(backing),
            _ => None,
        }
    }
    /// The keys among `rows` that have no slot, each once; those that have one are in use.
    pub(super) fn missing<'r>(&mut self, rows: &'r Rows) -> Vec<HashedKey<'r>> {
        let mut missing: Vec<HashedKey<'r>> = Vec::new();
        for key in rows.iter() {
            let hash = hash_row(key);
            match (self.find(hash, key), &mut self.home) {
                (Some(slot), Home::Backend(backing)) => backing.use_slot(slot),
                (Some(_), _) => {}
                (None, _) => missing.push((hash, key)),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }
    /// A slot for a key that came from the backend.
    pub(super) fn insert_stored(&mut self, (hash, key): HashedKey<'_>, value_bytes: usize) -> Slot {
        let slot = self.insert(hash, key);
        if let Home::Backend(backing) = &mut self.home {
            backing.set_stored(slot, key.len(), value_bytes);
        }
        slot
    }
    /// Takes a key out that the backend has; its slot is free for another.
    pub(super) fn evict(&mut self, slot: Slot) {
        if self.unlink(slot).is_some() {
            self.free.push(slot);
        }
    }
    /// The hash and the key of a slot, to be kept elsewhere.
    pub(super) fn owned(&self, slot: Slot) -> Option<(u64, KeyBytes)> {
        self.keys.get(slot as usize).cloned()
    }
    /// The hash and the key of a slot.
    pub(super) fn hashed(&self, slot: Slot) -> Option<HashedKey<'_>> {
        let (hash, key) = self.keys.get(slot as usize)?;
        Some((*hash, key.bytes()))
    }
    /// Gives the key of `slot` a fresh slot. The old one belongs to nobody, and is not given
    /// out again before [`release`](Self::release).
    ///
    /// # Errors
    /// Bug: the slot has no key.
    pub fn renew(&mut self, slot: Slot) -> Result<Slot> {
        let entry = self.unlink(slot).ok_or_else(|| Error::bug("a slot without a key"))?;
        let fresh = self.claim();
        let hash = entry.0;
        if let Home::Backend(backing) = &mut self.home {
            backing.move_slot(slot, fresh);
        }
        self.keys[fresh as usize] = entry;
        self.link(fresh, hash);
        Ok(fresh)
    }
    /// Lets a slot that [`renew`](Self::renew) has replaced be given out again.
    pub fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }
    /// The key of a slot; empty for a free one.
    #[inline]
    pub fn key(&self, slot: Slot) -> &[u8] {
        self.keys.get(slot as usize).map_or(&[], |(_, bytes)| bytes.bytes())
    }
    /// Whether the slot has a key.
    #[inline]
    pub fn is_used(&self, slot: Slot) -> bool {
        self.keys.get(slot as usize).is_some_and(|(_, bytes)| bytes.is_used())
    }
    /// All slots that have a key, ascending.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.keys.len() as Slot).filter(|slot| self.is_used(*slot))
    }
}

/// When the state of slots was changed last, for TTL. Does nothing without a TTL.
#[derive(Debug, Default)]
pub struct Expiry {
    ttl_ms: Option<i64>,
    touched_ms: Vec<i64>,
    /// Where the sweep goes on.
    hand: usize,
}

/// Slots that a sweep looks at in one batch.
const SWEEP_SLOTS: usize = 256;

impl Expiry {
    /// State is gone this long after its last change.
    pub fn new(ttl_ms: Option<i64>) -> Self {
        Expiry { ttl_ms: ttl_ms.filter(|ttl| *ttl > 0), ..Self::default() }
    }
    /// Whether there is a TTL.
    pub fn is_on(&self) -> bool {
        self.ttl_ms.is_some()
    }
    /// The time that the TTL goes by; 0 without one, which needs no look at the clock.
    pub fn now_ms(&self, context: Option<&OperatorContext>) -> i64 {
        context.filter(|_| self.is_on()).map_or(0, |context| context.clock.now_ms())
    }
    /// The slot was changed.
    #[inline]
    pub fn touch(&mut self, slot: Slot, now_ms: i64) {
        if self.ttl_ms.is_some() {
            let slot = slot as usize;
            if self.touched_ms.len() <= slot {
                self.touched_ms.resize(slot + 1, i64::MIN);
            }
            self.touched_ms[slot] = now_ms;
        }
    }
    /// When the slot was changed last, to be stored with it; 0 without a TTL.
    pub fn touched_ms(&self, slot: Slot) -> i64 {
        self.touched_ms.get(slot as usize).copied().unwrap_or(0)
    }
    /// How long state lives.
    pub fn ttl_ms(&self) -> Option<i64> {
        self.ttl_ms
    }
    /// There is nothing in the slot.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(touched_ms) = self.touched_ms.get_mut(slot as usize) {
            *touched_ms = i64::MIN;
        }
    }
    /// Whether what is in the slot must not be seen any more.
    #[inline]
    pub fn is_expired(&self, slot: Slot, now_ms: i64) -> bool {
        self.ttl_ms.is_some_and(|ttl| is_past(self.touched_ms(slot), ttl, now_ms))
    }
    /// Some slots whose time is over; called with every batch, it comes around to all.
    pub fn sweep(&mut self, now_ms: i64) -> Vec<Slot> {
        let Some(ttl) = self.ttl_ms else { return Vec::new() };
        let count = self.touched_ms.len();
        let mut gone = Vec::new();
        for _ in 0..SWEEP_SLOTS.min(count) {
            self.hand = if self.hand + 1 >= count { 0 } else { self.hand + 1 };
            let touched = &mut self.touched_ms[self.hand];
            if *touched != i64::MIN && is_past(*touched, ttl, now_ms) {
                *touched = i64::MIN;
                gone.push(self.hand as Slot);
            }
        }
        gone
    }
}

/// One value a key, with a TTL: for operators that keep all they know of a key in one place.
///
/// Invariant: the value of a slot that nobody has, or whose time is over, is never seen.
#[derive(Debug)]
pub struct KeyedValues<V> {
    pub(super) keys: KeyTable,
    values: Vec<V>,
    expiry: Expiry,
}

impl<V: Clone + Default> KeyedValues<V> {
    /// Empty; a value is gone this long after its last change.
    pub fn new(ttl_ms: Option<i64>) -> Self {
        KeyedValues { keys: KeyTable::default(), values: Vec::new(), expiry: Expiry::new(ttl_ms) }
    }
    /// Whether there is a TTL.
    pub fn expires(&self) -> bool {
        self.expiry.is_on()
    }
    /// The slot of a key, and whether it holds a fresh value: the key is new, or the time of
    /// what was there is over. Counts as a change.
    pub fn enter(&mut self, key: &[u8], now_ms: i64) -> (Slot, bool) {
        let (slot, new) = self.keys.find_or_insert(hash_row(key), key);
        self.grow(slot);
        let fresh = new || self.expiry.is_expired(slot, now_ms);
        if fresh {
            self.values[slot as usize] = V::default();
        }
        if self.expires() {
            self.expiry.touch(slot, now_ms);
            self.keys.changed(slot);
        }
        (slot, fresh)
    }
    fn grow(&mut self, slot: Slot) {
        if self.values.len() <= slot as usize {
            self.values.resize(slot as usize + 1, V::default());
        }
    }
    /// Fills an empty slot with what was stored.
    pub fn fill(&mut self, slot: Slot, touched_ms: i64, value: V) {
        self.grow(slot);
        self.expiry.touch(slot, touched_ms);
        self.values[slot as usize] = value;
    }
    /// Empties a slot.
    pub fn clear(&mut self, slot: Slot) {
        self.expiry.forget(slot);
        self.values[slot as usize] = V::default();
    }
    /// When the value of a slot was changed last, to be stored with it.
    pub fn touched_ms(&self, slot: Slot) -> i64 {
        self.expiry.touched_ms(slot)
    }
    /// How long values live.
    pub fn ttl_ms(&self) -> Option<i64> {
        self.expiry.ttl_ms()
    }
    /// The value of a key, if it has one whose time is not over.
    pub fn get(&self, key: &[u8], now_ms: i64) -> Option<&V> {
        let slot = self.keys.find(hash_row(key), key)?;
        (!self.expiry.is_expired(slot, now_ms)).then(|| &self[slot])
    }
    /// Takes the key of a slot out, with its value.
    pub fn remove(&mut self, slot: Slot) {
        self.keys.remove(slot);
        self.values[slot as usize] = V::default();
    }
    /// Takes a key out, if it is there.
    pub fn remove_key(&mut self, key: &[u8]) {
        if let Some(slot) = self.keys.find(hash_row(key), key) {
            self.remove(slot);
        }
    }
    /// Begins a batch: the time that the TTL goes by, at which some of what is over is dropped.
    pub fn sweep(&mut self, context: Option<&OperatorContext>) -> i64 {
        let now_ms = self.expiry.now_ms(context);
        for slot in self.expiry.sweep(now_ms) {
            self.remove(slot);
        }
        now_ms
    }
    /// Every key with the time of its last change and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], i64, &V)> {
        let entry = |slot| (self.keys.key(slot), self.expiry.touched_ms(slot), &self[slot]);
        self.keys.slots().map(entry)
    }
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl<V> std::ops::Index<Slot> for KeyedValues<V> {
    type Output = V;
    #[inline]
    fn index(&self, slot: Slot) -> &V {
        &self.values[slot as usize]
    }
}

impl<V> std::ops::IndexMut<Slot> for KeyedValues<V> {
    /// Counts as a change.
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut V {
        self.keys.changed(slot);
        &mut self.values[slot as usize]
    }
}

/// Whether `ttl_ms` have passed since `touched_ms`.
#[inline]
pub fn is_past(touched_ms: i64, ttl_ms: i64, now_ms: i64) -> bool {
    touched_ms.saturating_add(ttl_ms) <= now_ms
}

/// Little-endian numbers at the front of stored bytes.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `length` bytes.
    ///
    /// # Errors
    /// `Corrupt` when there are fewer.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        if self.0.len() < length {
            return Err(Error::corrupt("stored state of a SQL operator is cut off"));
        }
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(bytes)
    }
    /// The next number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }
    /// The next number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn u32(&mut self) -> Result<u32> {
        let mut word = [0; 4];
        word.copy_from_slice(self.bytes(4)?);
        Ok(u32::from_le_bytes(word))
    }
    /// The next number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn i64(&mut self) -> Result<i64> {
        let mut word = [0; 8];
        word.copy_from_slice(self.bytes(8)?);
        Ok(i64::from_le_bytes(word))
    }
    /// The next number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn i128(&mut self) -> Result<i128> {
        let mut word = [0; 16];
        word.copy_from_slice(self.bytes(16)?);
        Ok(i128::from_le_bytes(word))
    }
    /// The next bytes behind their length.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn delimited(&mut self) -> Result<&'a [u8]> {
        let length = self.u32()? as usize;
        self.bytes(length)
    }
}

/// Puts bytes behind their length.
pub fn put_delimited(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Keys come, go, move to fresh slots; short ones and long ones.
        #[test]
        fn a_key_has_the_slot_that_a_map_says(
            steps in prop::collection::vec((0u8..4, 0usize..40), 0..200)
        ) {
            let mut table = KeyTable::default();
            let mut model: HashMap<Vec<u8>, Slot> = HashMap::new();
            for (step, n) in steps {
                let key = vec![n as u8; n];
                let hash = hash_row(&key);
                prop_assert_eq!(table.find(hash, &key), model.get(&key).copied());
                match (step, model.get(&key).copied()) {
                    (0, Some(slot)) => {
                        table.remove(slot);
                        model.remove(&key);
                    }
                    (1, Some(slot)) => {
                        let fresh = table.renew(slot).unwrap();
                        prop_assert!(!model.values().any(|s| *s == fresh));
                        prop_assert!(!table.is_used(slot));
                        table.release(slot);
                        model.insert(key, fresh);
                    }
                    (_, known) => {
                        let (slot, new) = table.find_or_insert(hash, &key);
                        prop_assert_eq!(new, known.is_none());
                        model.insert(key, slot);
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.slots().count(), model.len());
                for (key, slot) in &model {
                    prop_assert_eq!(table.key(*slot), key.as_slice());
                }
            }
        }
    }

    #[test]
    fn a_sweep_comes_around_to_every_slot_whose_time_is_over() {
        let mut expiry = Expiry::new(Some(10));
        for slot in 0..1000 {
            expiry.touch(slot, i64::from(slot % 2) * 100);
        }
        let mut gone: Vec<Slot> = (0..8).flat_map(|_| expiry.sweep(50)).collect();
        gone.sort_unstable();
        assert_eq!(gone, (0..1000).step_by(2).collect::<Vec<_>>());
        assert!(Expiry::new(None).sweep(i64::MAX).is_empty());
    }
}
