//! Slots as a write-back cache in front of the job's state backend.
//!
//! ```text
//!   batch ────────> fetch   keys without a slot ──one bulk read──> bytes ──read──> slots
//!                           the operator works on slots as it does on the heap
//!   end of batch ─> settle  over the budget: slots that were not used lately are emptied
//!   barrier ──────> store   slots that have changed ──write──> bytes ──> the backend, whose
//!                           snapshot is incremental
//! ```
//! On the heap backend all keys have slots for ever: `fetch` and `settle` do nothing, and
//! `store` puts every slot into the snapshot, or shares it with the thread that writes that. Stored entries have the same bytes either way, so
//! a savepoint of one backend is restored by the other.
//!
//! Operators say what is in a slot ([`SlotState`]); this module says when it is read, written
//! and let go.
//!
//! Invariants: between two batches a slot is as the backend has it, or marked as changed; a key
//! that was removed is not read back, because removals are written before the next read; nor is
//! one whose time is over, which is the sweep of what is not in memory; only slots that are not
//! changed are let go.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use millstream_core::{Error, Result};
use millstream_runtime::snapshot::{BytesEntries, StateDescription, StateKind};
use millstream_runtime::state::{Bytes, BytesTable, IsExpired, KeyedStates};
use millstream_runtime::{OperatorContext, OperatorSnapshot, SubtaskInfo};

use super::row::{Rows, hash_row};
use super::state_table::{KeyBytes, KeyTable, Reader, Slot, is_past, restore};

/// The keyed states of one operator in the job's backend.
pub type States = KeyedStates<Bytes>;

/// What a slot takes in memory beside the bytes of its key and its value: places in tables.
const SLOT_BYTES: usize = 96;
/// What a row that is added to state takes beside its bytes.
const ROW_BYTES: usize = 64;

/// Where the entries of a [`KeyTable`] are when they are not in memory.
#[derive(Debug, Default)]
pub(super) enum Home {
    /// The operator stores them itself.
    #[default]
    Nowhere,
    /// Nowhere else: a snapshot has all of them.
    Heap { name: &'static str, subtask: SubtaskInfo },
    /// In a table of the job's backend.
    Backend(Box<Backing>),
}

/// What is known of a slot.
#[derive(Clone, Copy, Default)]
struct Status {
    /// The backend does not have it as it is.
    changed: bool,
    /// The backend has something under its key.
    stored: bool,
    /// It was used since the clock's hand was there.
    used: bool,
    /// About what it takes in memory.
    bytes: u32,
}

/// A table of the job's backend behind slots.
pub(super) struct Backing {
    table: Rc<dyn BytesTable>,
    /// Whether the time of a stored value is over.
    is_expired: Option<IsExpired>,
    /// See [`SlotState::DECODED_FACTOR`].
    decoded_factor: usize,
    slots: Vec<Status>,
    /// Of all slots.
    bytes: usize,
    /// Of those that stayed when some were let go last.
    kept_bytes: usize,
    /// What may have come to them since they were written last.
    grown_bytes: usize,
    /// Keys to remove from the table.
    removed: Vec<(u64, KeyBytes)>,
    /// The slot that the clock's hand is at.
    hand: usize,
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backing").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Backing {
    fn new(
        table: Rc<dyn BytesTable>,
        is_expired: Option<IsExpired>,
        decoded_factor: usize,
    ) -> Self {
        Backing {
            table,
            is_expired,
            decoded_factor,
            slots: Vec::new(),
            bytes: 0,
            kept_bytes: 0,
            grown_bytes: 0,
            removed: Vec::new(),
            hand: 0,
        }
    }
    fn set(&mut self, slot: Slot, status: Status) {
        let slot = slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, Status::default());
        }
        self.bytes = self.bytes + status.bytes as usize - self.slots[slot].bytes as usize;
        self.slots[slot] = status;
    }
    fn size_of(&self, key_bytes: usize, value_bytes: usize) -> u32 {
        let bytes = SLOT_BYTES + key_bytes + self.decoded_factor * value_bytes;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
    /// Whether it takes more than its budget, and enough more than what had to stay: a look at
    /// every slot must not come with every batch.
    fn is_over_budget(&self) -> bool {
        let budget_bytes = self.table.budget_bytes();
        self.bytes + self.grown_bytes > budget_bytes.max(self.kept_bytes + budget_bytes / 10)
    }
    /// A new key has this slot.
    pub(super) fn add_slot(&mut self, slot: Slot, key_bytes: usize) {
        let bytes = self.size_of(key_bytes, 0);
        self.set(slot, Status { changed: true, stored: false, used: true, bytes });
    }
    /// The slot is as the backend has it.
    pub(super) fn set_stored(&mut self, slot: Slot, key_bytes: usize, value_bytes: usize) {
        let bytes = self.size_of(key_bytes, value_bytes);
        self.set(slot, Status { changed: false, stored: true, used: true, bytes });
    }
    #[inline]
    pub(super) fn change_slot(&mut self, slot: Slot) {
        if let Some(status) = self.slots.get_mut(slot as usize) {
            (status.changed, status.used) = (true, true);
        }
    }
    #[inline]
    pub(super) fn use_slot(&mut self, slot: Slot) {
        if let Some(status) = self.slots.get_mut(slot as usize) {
            status.used = true;
        }
    }
    pub(super) fn remove_slot(&mut self, slot: Slot, key: (u64, KeyBytes)) {
        if self.status(slot).stored {
            self.removed.push(key);
        }
        self.set(slot, Status::default());
    }
    /// The key of `from` has the slot `to` now.
    pub(super) fn move_slot(&mut self, from: Slot, to: Slot) {
        let status = Status { changed: true, ..self.status(from) };
        self.set(from, Status::default());
        self.set(to, status);
    }
    fn status(&self, slot: Slot) -> Status {
        self.slots.get(slot as usize).copied().unwrap_or_default()
    }
    /// Removes what was removed from the table, too: before anything is read or written.
    fn remove_keys(&mut self) -> Result<()> {
        if self.removed.is_empty() {
            return Ok(());
        }
        for (hash, key) in self.removed.drain(..) {
            self.table.put((hash, key.bytes()), None)?;
        }
        self.table.flush()
    }
}

/// What an operator keeps in the slots of a [`KeyTable`], as bytes. An operator with several
/// tables has one of these for each.
pub trait SlotState {
    /// What a slot holds takes about so many times its stored bytes.
    const DECODED_FACTOR: usize = 2;
    /// Whose slots they are.
    fn keys(&mut self) -> &mut KeyTable;
    /// Fills an empty slot with what [`write`](Self::write) stored.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are damaged.
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()>;
    /// Appends what a slot holds.
    ///
    /// # Errors
    /// A user's accumulator does not serialize.
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()>;
    /// What [`write`](Self::write) appends, where a slot is kept in that form: as it is now,
    /// whatever comes after.
    fn share(&mut self, _slot: Slot) -> Option<Arc<Vec<u8>>> {
        None
    }
    /// Slots are about to be written.
    fn prepare(&mut self) {}
    /// Empties a slot; its key goes by itself.
    fn clear(&mut self, slot: Slot);
    /// Whether the time of what [`write`](Self::write) stored is over. As a rule the time of the
    /// last change is in front.
    fn is_over(value: &[u8], ttl_ms: i64, now_ms: i64) -> bool
    where
        Self: Sized,
    {
        Reader(value).i64().is_ok_and(|touched_ms| is_past(touched_ms, ttl_ms, now_ms))
    }
    /// Whether something else of the operator points to the slot, so that it must stay.
    fn is_pinned(&self, _slot: Slot) -> bool {
        false
    }
    /// Whether a slot filled with this value is [pinned](Self::is_pinned): then it is read at
    /// the start.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are damaged.
    fn will_be_pinned(&self, _value: &[u8]) -> Result<bool> {
        Ok(false)
    }
    /// Whether any slot is ever pinned.
    fn pins(&self) -> bool {
        false
    }

    /// Restores the state `name`, or opens the job's backend behind the slots.
    ///
    /// # Errors
    /// `Corrupt` when stored bytes do not decode; a failing local disk.
    fn restore(
        &mut self,
        states: &mut States,
        context: &OperatorContext,
        name: &'static str,
        ttl_ms: Option<i64>,
    ) -> Result<()>
    where
        Self: Sized,
    {
        let is_over: fn(&[u8], i64, i64) -> bool = Self::is_over;
        let is_expired = ttl_ms.map(|ttl_ms| -> IsExpired {
            let clock = Arc::clone(&context.clock);
            Arc::new(move |value| is_over(value, ttl_ms, clock.now_ms()))
        });
        let Some(table) = states.bytes_table(name, is_expired.clone())? else {
            self.keys().home = Home::Heap { name, subtask: context.subtask.clone() };
            for (key, value) in restore(context, name)? {
                let slot = self.keys().find_or_insert(hash_row(&key), &key).0;
                self.read(slot, &mut Reader(&value))?;
            }
            return Ok(());
        };
        let backing = Backing::new(Rc::clone(&table), is_expired, Self::DECODED_FACTOR);
        self.keys().home = Home::Backend(Box::new(backing));
        if self.pins() {
            table.for_each(&mut |key, value| match self.will_be_pinned(value)? {
                true => self.read_stored(hash_row(key), key, value),
                false => Ok(()),
            })?;
        }
        Ok(())
    }
    /// Gives a key from the backend a slot.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_stored(&mut self, hash: u64, key: &[u8], value: &[u8]) -> Result<()> {
        let slot = self.keys().insert_stored((hash, key), value.len());
        self.read(slot, &mut Reader(value))
    }
    /// Begins a batch: those of its keys that are known have slots then.
    ///
    /// # Errors
    /// As [`read`](Self::read); a failing local disk.
    fn fetch(&mut self, keys: &Rows) -> Result<()> {
        let Some(backing) = self.keys().backing() else { return Ok(()) };
        backing.remove_keys()?;
        let (table, is_expired) = (Rc::clone(&backing.table), backing.is_expired.clone());
        let missing = self.keys().missing(keys);
        table.read_all(&missing, &mut |place, value| {
            if is_expired.as_ref().is_some_and(|is_expired| is_expired(value)) {
                return Ok(());
            }
            let (hash, key) = missing[place];
            self.read_stored(hash, key, value)
        })
    }
    /// Ends a batch that has added up to so many rows of so many bytes together: lets slots go
    /// when there are too many.
    ///
    /// # Errors
    /// As [`write`](Self::write); a failing local disk.
    fn settle(&mut self, rows: usize, bytes: usize) -> Result<()> {
        let Some(backing) = self.keys().backing() else { return Ok(()) };
        backing.grown_bytes += bytes + rows * ROW_BYTES;
        if backing.is_over_budget() {
            let budget_bytes = backing.table.budget_bytes();
            // Then it is known what each slot takes.
            self.write_back()?;
            self.evict(budget_bytes / 10 * 9);
        }
        Ok(())
    }
    /// Puts everything into a snapshot, or what has changed into the backend, which is stored
    /// with [`KeyedStates::snapshot`]; nothing, when nobody will store it.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    fn store(&mut self, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let (name, subtask) = match &self.keys().home {
            Home::Nowhere => return Err(Error::bug("state is stored that was never restored")),
            _ if snapshot.is_dropped() => return Ok(()),
            Home::Backend(_) => return self.write_back(),
            Home::Heap { name, subtask } => (*name, subtask.clone()),
        };
        self.prepare();
        let (mut shared, mut value) = (Vec::new(), Vec::new());
        let mut entries = BytesEntries::new(name, subtask.max_parallelism);
        for slot in 0..self.keys().capacity() as Slot {
            if !self.keys().is_used(slot) {
                continue;
            }
            if let Some(value) = self.share(slot) {
                shared.extend(self.keys().owned(slot).map(|(hash, key)| (hash, key, value)));
                continue;
            }
            value.clear();
            self.write(slot, &mut value)?;
            if let Some(key) = self.keys().hashed(slot) {
                entries.put(key, &value);
            }
        }
        if !entries.is_empty() {
            snapshot.describe(StateDescription::new(name, StateKind::Value));
            snapshot.defer(Box::new(entries));
        }
        if !shared.is_empty() {
            let description = StateDescription::new(name, StateKind::Value);
            snapshot.defer_keyed(description, &subtask, move |entries| {
                let mut shared = shared.into_iter();
                shared.try_for_each(|(hash, key, value)| {
                    entries.put_bytes((hash, key.bytes()), &value)
                })
            });
        }
        Ok(())
    }
    /// Writes the slots that have changed to the backend.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    fn write_back(&mut self) -> Result<()> {
        let Some(backing) = self.keys().backing() else { return Ok(()) };
        backing.remove_keys()?;
        let table = Rc::clone(&backing.table);
        let count = backing.slots.len() as Slot;
        self.prepare();
        let mut value = Vec::new();
        for slot in 0..count {
            if !self.keys().backing().is_some_and(|backing| backing.status(slot).changed) {
                continue;
            }
            value.clear();
            self.write(slot, &mut value)?;
            let keys = self.keys();
            let Some((hash, key)) = keys.hashed(slot) else { continue };
            let key_bytes = key.len();
            table.put((hash, key), Some(&value))?;
            if let Some(backing) = keys.backing() {
                let used = backing.status(slot).used;
                backing.set_stored(slot, key_bytes, value.len());
                backing.slots[slot as usize].used = used;
            }
        }
        table.flush()?;
        if let Some(backing) = self.keys().backing() {
            backing.grown_bytes = 0;
            table.tell_bytes(backing.bytes);
        }
        Ok(())
    }
    /// Lets slots go, none of which has changed, until the rest takes no more than `goal_bytes`:
    /// first those that were not used since the last time.
    fn evict(&mut self, goal_bytes: usize) {
        let steps = self.keys().backing().map_or(0, |backing| 2 * backing.slots.len());
        for _ in 0..steps {
            let Some(backing) = self.keys().backing() else { return };
            if backing.bytes <= goal_bytes {
                break;
            }
            backing.hand =
                if backing.hand + 1 >= backing.slots.len() { 0 } else { backing.hand + 1 };
            let slot = backing.hand as Slot;
            let status = backing.status(slot);
            if std::mem::take(&mut backing.slots[slot as usize].used) || !status.stored {
                continue;
            }
            if self.is_pinned(slot) {
                continue;
            }
            self.clear(slot);
            let keys = self.keys();
            keys.evict(slot);
            if let Some(backing) = keys.backing() {
                backing.set(slot, Status::default());
            }
        }
        if let Some(backing) = self.keys().backing() {
            backing.kept_bytes = backing.bytes;
            backing.table.tell_bytes(backing.bytes);
        }
    }
}

#[cfg(test)]
#[path = "backing_tests.rs"]
mod tests;
