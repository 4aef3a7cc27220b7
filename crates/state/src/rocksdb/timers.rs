//! Timers in a column family, with the earliest of each key group in memory.
//!
//! ```text
//!   key on disk   = key group (2 bytes) + time (8 bytes, in order) + postcard of key, namespace
//!   value on disk = length of the key's postcard
//!
//!   group:  head, a sorted set  │ bound │  on disk only
//!           all timers before the bound │
//!   unwritten: changes that the disk has not seen, of all groups
//! ```
//!
//! Timers are by key group first, as all state, so that rescaling copies ranges. Within a
//! time they fire in the order of their bytes, not of their registration (Flink says of
//! neither). A timer that fires before it was ever written costs no write.
//!
//! Invariants: a group's head has exactly the live timers before its bound; the disk with
//! the unwritten changes has exactly the live timers; at a barrier nothing is unwritten.
//! Source: Flink's `RocksDBCachingPriorityQueueSet`.

use super::store::Store;
use super::{AnyTable, fault};
use crate::table::{Decoder, TableSpec};
use crate::{Restored, StateDescription, StateKind, SubtaskInfo};
use millstream_core::{Error, Key, KeyGroup, KeyGroupRange, Result, key_group_of};
use rocksdb::{Direction, IteratorMode, ReadOptions, WriteBatch};
use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;

/// Timers of a group that are read at once; twice as many are in memory at most.
const HEAD_MAX: usize = 128;
/// Changes are written when there are so many.
const UNWRITTEN_MAX: usize = 4096;
const TIME_BYTES: usize = 8;
const GROUP_BYTES: usize = 2;

/// The timers of one time domain, on disk.
pub struct RocksTimers<K, N>(Rc<TimerTable>, PhantomData<fn() -> (K, N)>);

struct TimerTable {
    store: Rc<Store>,
    description: StateDescription,
    max_parallelism: usize,
    groups: KeyGroupRange,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    /// In the order of the key groups.
    groups: Vec<Group>,
    /// By the key on disk.
    unwritten: BTreeMap<Vec<u8>, Change>,
    /// A failure of a call that could not say so.
    failed: Option<Error>,
}

/// Timers are bytes without their group here: they sort by time.
#[derive(Default)]
struct Group {
    head: BTreeSet<Vec<u8>>,
    /// Where the head ends; `None`: there are no more on disk.
    bound: Option<Vec<u8>>,
}

enum Change {
    Put {
        key_bytes: usize,
        /// The disk has no such timer.
        is_new: bool,
    },
    Delete,
}

fn time_bytes(time: i64) -> [u8; TIME_BYTES] {
    (time as u64 ^ 1 << 63).to_be_bytes()
}

fn time_of(timer: &[u8]) -> Option<i64> {
    let bytes = timer.first_chunk::<TIME_BYTES>()?;
    Some((u64::from_be_bytes(*bytes) ^ 1 << 63) as i64)
}

fn corrupt() -> Error {
    Error::corrupt("RocksDB holds a timer that is too short")
}

fn decode<K: Key, N: Key>(timer: &[u8]) -> Result<(i64, K, N)> {
    let time = time_of(timer).ok_or_else(corrupt)?;
    let (key, namespace) = postcard::from_bytes(&timer[TIME_BYTES..])?;
    Ok((time, key, namespace))
}

/// Appends the canonical form of a timer, `key, (time, namespace)`, by its bytes on disk
/// without the group.
pub(super) fn put_canonical(timer: &[u8], value: &[u8], mut out: Vec<u8>) -> Result<Vec<u8>> {
    let time = time_of(timer).ok_or_else(corrupt)?;
    let rest = &timer[TIME_BYTES..];
    let key_bytes: usize = postcard::from_bytes(value)?;
    let (key, namespace) = rest.split_at_checked(key_bytes).ok_or_else(corrupt)?;
    out.extend_from_slice(key);
    out = postcard::to_extend(&time, out)?;
    out.extend_from_slice(namespace);
    Ok(out)
}

/// Every timer in the files of a restored database.
pub(super) fn read_all<K: Key, N: Key>(
    store: &Store,
    name: &str,
    mut take: impl FnMut(i64, K, N),
) -> Result<()> {
    for entry in store.db.iterator_cf(&store.family(name)?, IteratorMode::Start) {
        let (timer, _) = entry.map_err(fault)?;
        let (time, key, namespace) = decode(timer.get(GROUP_BYTES..).unwrap_or_default())?;
        take(time, key, namespace);
    }
    Ok(())
}

impl<K: Key, N: Key> RocksTimers<K, N> {
    pub(super) fn open(
        store: &Rc<Store>,
        restored: &Restored,
        subtask: &SubtaskInfo,
        name: &str,
    ) -> Result<Self> {
        let spec = TableSpec::<(i64, N)>::of::<K, ()>(name, StateKind::Timers);
        let groups = subtask.key_groups();
        let mut inner = Inner::default();
        inner.groups.resize_with(groups.iter().len(), Group::default);
        let is_on_disk = match store.declare(name, None)? {
            Some(old) => match spec.decoder(old)? {
                Decoder::AsIs => true,
                Decoder::Tree(..) => {
                    return Err(Error::config(format!("the type of the timers '{name}' changed"))
                        .advice("start from a savepoint in canonical form"));
                }
            },
            None => false,
        };
        if is_on_disk {
            // Everything is behind the head; the first look reads it.
            inner.groups.iter_mut().for_each(|group| group.bound = Some(Vec::new()));
        }
        let table = Rc::new(TimerTable {
            store: Rc::clone(store),
            description: spec.description.clone(),
            max_parallelism: subtask.max_parallelism,
            groups,
            inner: RefCell::new(inner),
        });
        let mut timers = RocksTimers(table, PhantomData);
        spec.restore(restored, subtask, |key: K, (), (time, namespace)| {
            timers.register(time, key, namespace);
            timers.0.inner.borrow_mut().failed.take().map_or(Ok(()), Err)
        })?;
        let table = &timers.0;
        let mut inner = table.inner.borrow_mut();
        (0..inner.groups.len()).try_for_each(|at| table.fill(&mut inner, at))?;
        drop(inner);
        Ok(timers)
    }
    pub(super) fn table(&self) -> Rc<dyn AnyTable> {
        Rc::clone(&self.0) as Rc<dyn AnyTable>
    }

    pub(crate) fn register(&mut self, time: i64, key: K, namespace: N) {
        self.change(time, &key, &namespace, TimerTable::register);
    }
    pub(crate) fn delete(&mut self, time: i64, key: &K, namespace: &N) {
        self.change(time, key, namespace, |table, inner, at, timer, _| {
            table.delete(inner, at, timer)
        });
    }
    fn change(
        &self,
        time: i64,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&TimerTable, &mut Inner, usize, Vec<u8>, usize) -> Result<()>,
    ) {
        let inner = &mut *self.0.inner.borrow_mut();
        let encoded = || -> Result<(Vec<u8>, usize)> {
            let timer = postcard::to_extend(key, time_bytes(time).to_vec())?;
            let key_bytes = timer.len() - TIME_BYTES;
            Ok((postcard::to_extend(namespace, timer)?, key_bytes))
        };
        let group = key_group_of(key, self.0.max_parallelism);
        let at = usize::from(group.wrapping_sub(self.0.groups.start));
        let changed = encoded().and_then(|(timer, key_bytes)| {
            change(&self.0, inner, at, timer, key_bytes)?;
            if inner.unwritten.len() >= UNWRITTEN_MAX { self.0.write(inner) } else { Ok(()) }
        });
        // The next call that can say so does.
        inner.failed = inner.failed.take().or(changed.err());
    }

    pub(crate) fn pop_due(&mut self, up_to: i64) -> Result<Option<(i64, K, N)>> {
        let inner = &mut *self.0.inner.borrow_mut();
        loop {
            if let Some(failed) = inner.failed.take() {
                return Err(failed);
            }
            let Some((time, at)) = inner.first() else { return Ok(None) };
            if time > up_to {
                return Ok(None);
            }
            match inner.groups[at].head.pop_first() {
                Some(timer) => {
                    let popped = decode(&timer)?;
                    inner.forget(self.0.on_disk(at, &timer));
                    if inner.unwritten.len() >= UNWRITTEN_MAX {
                        self.0.write(inner)?;
                    }
                    return Ok(Some(popped));
                }
                None => self.0.fill(inner, at)?,
            }
        }
    }
    pub(crate) fn next_time(&self) -> Option<i64> {
        self.0.inner.borrow().first().map(|(time, _)| time)
    }
}

impl Inner {
    /// The time of the earliest timer, or before, and the place of its group.
    fn first(&self) -> Option<(i64, usize)> {
        let first = |group: &Group| match group.head.first() {
            Some(timer) => time_of(timer),
            None => group.bound.as_ref().map(|bound| time_of(bound).unwrap_or(i64::MIN)),
        };
        let groups = self.groups.iter().enumerate();
        groups.filter_map(|(at, group)| Some((first(group)?, at))).min()
    }
    /// A timer is gone.
    fn forget(&mut self, on_disk: Vec<u8>) {
        match self.unwritten.entry(on_disk) {
            Entry::Occupied(entry) if matches!(entry.get(), Change::Put { is_new: true, .. }) => {
                entry.remove();
            }
            Entry::Occupied(mut entry) => *entry.get_mut() = Change::Delete,
            Entry::Vacant(entry) => {
                entry.insert(Change::Delete);
            }
        }
    }
}

impl TimerTable {
    fn group(&self, at: usize) -> KeyGroup {
        self.groups.start + at as KeyGroup
    }
    fn on_disk(&self, at: usize, timer: &[u8]) -> Vec<u8> {
        [&self.group(at).to_be_bytes(), timer].concat()
    }
    fn register(
        &self,
        inner: &mut Inner,
        at: usize,
        timer: Vec<u8>,
        key_bytes: usize,
    ) -> Result<()> {
        let on_disk = self.on_disk(at, &timer);
        let group = inner.groups.get_mut(at).ok_or_else(|| self.not_ours(at))?;
        let in_head = group.bound.as_ref().is_none_or(|bound| timer < *bound);
        if in_head {
            if !group.head.insert(timer) {
                return Ok(());
            }
            if group.head.len() > 2 * HEAD_MAX {
                group.bound = group.head.iter().nth(HEAD_MAX).cloned();
                if let Some(bound) = &group.bound {
                    // They are on disk, or unwritten.
                    group.head.split_off(bound);
                }
            }
        }
        match inner.unwritten.entry(on_disk) {
            Entry::Vacant(entry) => {
                entry.insert(Change::Put { key_bytes, is_new: in_head });
            }
            Entry::Occupied(mut entry) => {
                if matches!(entry.get(), Change::Delete) {
                    *entry.get_mut() = Change::Put { key_bytes, is_new: false };
                }
            }
        }
        Ok(())
    }
    fn delete(&self, inner: &mut Inner, at: usize, timer: Vec<u8>) -> Result<()> {
        let group = inner.groups.get_mut(at).ok_or_else(|| self.not_ours(at))?;
        let in_head = group.bound.as_ref().is_none_or(|bound| timer < *bound);
        if group.head.remove(&timer) || !in_head {
            inner.forget(self.on_disk(at, &timer));
        }
        Ok(())
    }
    fn not_ours(&self, at: usize) -> Error {
        let name = &self.description.name;
        Error::bug(format!("a timer of '{name}' is of key group {at}, not of this subtask"))
    }
    /// Writes all changes.
    fn write(&self, inner: &mut Inner) -> Result<()> {
        let family = self.store.family(&self.description.name)?;
        let mut batch = WriteBatch::default();
        for (on_disk, change) in std::mem::take(&mut inner.unwritten) {
            match change {
                Change::Put { key_bytes, .. } => {
                    batch.put_cf(&family, on_disk, postcard::to_stdvec(&key_bytes)?);
                }
                Change::Delete => batch.delete_cf(&family, on_disk),
            }
        }
        self.store.write(batch)
    }
    /// Reads the timers from the bound of a group on into its head.
    fn fill(&self, inner: &mut Inner, at: usize) -> Result<()> {
        let Some(bound) = inner.groups[at].bound.take() else { return Ok(()) };
        self.write(inner)?;
        let group = &mut inner.groups[at];
        let family = self.store.family(&self.description.name)?;
        let from = self.on_disk(at, &bound);
        let mut options = ReadOptions::default();
        if let Some(next) = self.group(at).checked_add(1) {
            options.set_iterate_upper_bound(next.to_be_bytes());
        }
        let start = IteratorMode::From(&from, Direction::Forward);
        for entry in self.store.db.iterator_cf_opt(&family, options, start) {
            let (key, _) = entry.map_err(fault)?;
            let timer = key.get(GROUP_BYTES..).ok_or_else(corrupt)?.to_vec();
            if group.head.len() >= HEAD_MAX {
                group.bound = Some(timer);
                break;
            }
            group.head.insert(timer);
        }
        Ok(())
    }
}

impl AnyTable for TimerTable {
    fn flush(&self) -> Result<()> {
        let inner = &mut *self.inner.borrow_mut();
        if let Some(failed) = inner.failed.take() {
            return Err(failed);
        }
        self.write(inner)
    }
    fn compact(&self) -> Result<()> {
        Ok(())
    }
    fn description(&self) -> &StateDescription {
        &self.description
    }
}
