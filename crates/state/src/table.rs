//! The backend's side of a keyed state: one table of (key, namespace) to value.
//!
//! The namespace divides the state of one key: the window of window contents, the map key
//! of a map state, `()` of a value. Entries belong to the key group of their *key*.
//!
//! ```text
//!   handles, operators ──> TableRef / MapRef ──> heap::HeapTable
//!                                           └──> rocksdb::RocksTable
//! ```
//!
//! # Contract
//! One suite (tests/contract) runs on every backend: an entry is what was last put; `None`
//! removes it; a snapshot holds the entries at the call, whatever happens later; a restore,
//! at any parallelism and into any backend, gives them back.

use crate::heap::HeapTable;
#[cfg(feature = "rocksdb")]
use crate::rocksdb::RocksTable;
use crate::schema::Value;
use crate::ttl::Expiry;
use crate::{Restored, Schema, StateDescription, StateKind, SubtaskInfo};
use millstream_core::{Data, Error, Key, Result};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Bound::Included;
use std::rc::Rc;

/// What every backend's tables do.
pub trait Table<K: Key, N: Key, V: Data> {
    /// Changes an entry in place; `None` removes it.
    ///
    /// # Errors
    /// When the local disk fails; when the table is in use further up the stack.
    fn modify<R>(
        &self,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R>;
    /// Looks at an entry.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    fn read<R>(&self, key: &K, namespace: &N, look: impl FnOnce(Option<&V>) -> R) -> Result<R>;
    /// Copies of the entries of distinct keys, in their order.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    fn get_all(&self, keys: &[(K, N)]) -> Result<Vec<Option<V>>>;
    /// Sets or removes entries of distinct keys.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    fn put_all(&self, entries: Vec<(K, N, Option<V>)>) -> Result<()>;
    /// Brings entries that will be asked for one by one near; useful before a batch.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    fn prefetch(&self, keys: &mut dyn Iterator<Item = (K, N)>) -> Result<()>;
    /// Looks at every entry, in no particular order.
    ///
    /// # Errors
    /// As [`modify`](Self::modify); and whatever `visit` says.
    fn for_each(&self, visit: &mut dyn FnMut(&K, &N, &V) -> Result<()>) -> Result<()>;
    /// Removes some expired entries, if that is not done elsewhere. Called very often.
    fn clean(&self);
    /// Removes all expired entries now.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    fn compact(&self) -> Result<()>;
}

/// Makes values of a former type into values of the present one.
pub(crate) type Migration<V> = Rc<dyn Fn(Value) -> Result<V>>;

/// Everything a backend must know to open a table.
pub(crate) struct TableSpec<V> {
    pub(crate) description: StateDescription,
    pub(crate) expiry: Option<Expiry<V>>,
    pub(crate) migration: Option<Migration<V>>,
}

impl<V: DeserializeOwned + 'static> TableSpec<V> {
    pub(crate) fn of<K: Key, N: Key>(name: &str, kind: StateKind) -> Self {
        let description = StateDescription::keyed::<K, N, V>(name, kind);
        TableSpec { description, expiry: None, migration: None }
    }
    /// How to read values that were stored with `old`.
    pub(crate) fn decoder(&self, old: &StateDescription) -> Result<Decoder<V>> {
        use crate::schema::{Compatibility, check_keys, evolves};
        check_keys(old, &self.description)?;
        let value = &old.value_schema;
        match evolves(value, &self.description.value_schema) {
            Ok(Compatibility::AsIs) => Ok(Decoder::AsIs),
            Ok(Compatibility::Evolves) => Ok(Decoder::Tree(value.clone(), Rc::new(Value::into))),
            Err(refused) => match &self.migration {
                Some(migration) => Ok(Decoder::Tree(value.clone(), Rc::clone(migration))),
                None => Err(refused.at(format!("state '{}'", self.description.name))),
            },
        }
    }
    /// Gives every restored canonical entry of the subtask's key groups to `take`.
    pub(crate) fn restore<K: Key, N: Key>(
        &self,
        restored: &Restored,
        subtask: &SubtaskInfo,
        mut take: impl FnMut(K, N, V) -> Result<()>,
    ) -> Result<()> {
        let name = &self.description.name;
        for former in restored.former() {
            let Some(old) = former.states().iter().find(|s| s.name == *name) else { continue };
            let decoder = self.decoder(old)?;
            for group in subtask.key_groups().iter() {
                let Some(stored) = former.keyed(name, group)? else { continue };
                let mut bytes = stored.as_slice();
                while !bytes.is_empty() {
                    let ((key, namespace), rest) = postcard::take_from_bytes::<(K, N)>(bytes)?;
                    let (value, rest) = decoder.decode(rest)?;
                    check_group(name, &key, group, subtask)?;
                    if let Some(expiry) = &self.expiry {
                        expiry.clock.raise((expiry.touched)(&value));
                    }
                    take(key, namespace, value)?;
                    bytes = rest;
                }
            }
        }
        Ok(())
    }
}

/// A key must be in the group it was stored under, or it would never be found again.
fn check_group<K: Key>(name: &str, key: &K, group: u16, subtask: &SubtaskInfo) -> Result<()> {
    if millstream_core::key_group_of(key, subtask.max_parallelism) == group {
        return Ok(());
    }
    let what = format!("state '{name}' holds a key in group {group} that hashes elsewhere");
    Err(Error::corrupt(what)
        .advice("restore with the max parallelism and key type it was stored with"))
}

/// Reads stored values.
pub(crate) enum Decoder<V> {
    AsIs,
    Tree(Schema, Migration<V>),
}

impl<V: DeserializeOwned> Decoder<V> {
    pub(crate) fn decode<'b>(&self, bytes: &'b [u8]) -> Result<(V, &'b [u8])> {
        match self {
            Decoder::AsIs => Ok(postcard::take_from_bytes(bytes)?),
            Decoder::Tree(schema, make) => {
                let (value, rest) = Value::decode(schema, bytes)?;
                Ok((make(value)?, rest))
            }
        }
    }
}

/// A table of whichever backend is configured.
pub enum TableRef<K: Key, N: Key, V: Data> {
    /// In memory.
    Heap(Rc<HeapTable<K, N, V>>),
    /// On the local disk.
    #[cfg(feature = "rocksdb")]
    RocksDb(Rc<RocksTable<K, N, V>>),
}

impl<K: Key, N: Key, V: Data> TableRef<K, N, V> {
    /// The table in memory, if that is where it is: its changes cannot fail.
    #[inline]
    pub fn heap(&self) -> Option<&HeapTable<K, N, V>> {
        match self {
            TableRef::Heap(table) => Some(table),
            #[cfg(feature = "rocksdb")]
            TableRef::RocksDb(_) => None,
        }
    }
}

macro_rules! each {
    ($self:expr, $table:ident => $call:expr) => {
        match $self {
            TableRef::Heap($table) => $call,
            #[cfg(feature = "rocksdb")]
            TableRef::RocksDb($table) => $call,
        }
    };
}

impl<K: Key, N: Key, V: Data> Table<K, N, V> for TableRef<K, N, V> {
    #[inline]
    fn modify<R>(
        &self,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        each!(self, table => table.modify(key, namespace, change))
    }
    #[inline]
    fn read<R>(&self, key: &K, namespace: &N, look: impl FnOnce(Option<&V>) -> R) -> Result<R> {
        each!(self, table => table.read(key, namespace, look))
    }
    fn get_all(&self, keys: &[(K, N)]) -> Result<Vec<Option<V>>> {
        each!(self, table => table.get_all(keys))
    }
    fn put_all(&self, entries: Vec<(K, N, Option<V>)>) -> Result<()> {
        each!(self, table => table.put_all(entries))
    }
    #[inline]
    fn prefetch(&self, keys: &mut dyn Iterator<Item = (K, N)>) -> Result<()> {
        each!(self, table => table.prefetch(keys))
    }
    fn for_each(&self, visit: &mut dyn FnMut(&K, &N, &V) -> Result<()>) -> Result<()> {
        each!(self, table => table.for_each(visit))
    }
    fn clean(&self) {
        each!(self, table => table.clean());
    }
    fn compact(&self) -> Result<()> {
        each!(self, table => table.compact())
    }
}

/// A table whose namespaces can be listed by key. In memory the namespaces of a key are one
/// ordered map; on disk they are neighbours.
pub enum MapRef<K: Key, N: Key + Ord, V: Data> {
    /// In memory.
    Heap(Rc<HeapTable<K, (), BTreeMap<N, V>>>),
    /// On the local disk.
    #[cfg(feature = "rocksdb")]
    RocksDb(Rc<RocksTable<K, N, V>>),
}

impl<K: Key, N: Key + Ord, V: Data> MapRef<K, N, V> {
    /// Changes an entry in place; `None` removes it.
    ///
    /// # Errors
    /// As [`Table::modify`].
    pub fn modify<R>(
        &self,
        key: &K,
        at: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        match self {
            MapRef::Heap(table) => table.modify(key, &(), |slot| {
                let map = slot.get_or_insert_default();
                let mut value = map.remove(at);
                let answer = change(&mut value);
                if let Some(value) = value {
                    map.insert(at.clone(), value);
                }
                if map.is_empty() {
                    *slot = None;
                }
                answer
            }),
            #[cfg(feature = "rocksdb")]
            MapRef::RocksDb(table) => table.modify(key, at, change),
        }
    }
    /// Looks at an entry.
    ///
    /// # Errors
    /// As [`Table::modify`].
    pub fn read<R>(&self, key: &K, at: &N, look: impl FnOnce(Option<&V>) -> R) -> Result<R> {
        match self {
            MapRef::Heap(table) => table.read(key, &(), |map| look(map.and_then(|m| m.get(at)))),
            #[cfg(feature = "rocksdb")]
            MapRef::RocksDb(table) => table.read(key, at, look),
        }
    }
    /// The entries of one key, by namespace.
    ///
    /// # Errors
    /// As [`Table::modify`].
    pub fn entries(&self, key: &K) -> Result<Vec<(N, V)>> {
        match self {
            MapRef::Heap(table) => table.read(key, &(), |map| {
                map.into_iter().flatten().map(|(n, v)| (n.clone(), v.clone())).collect()
            }),
            #[cfg(feature = "rocksdb")]
            MapRef::RocksDb(table) => {
                let mut found = table.scan(key)?;
                found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                Ok(found)
            }
        }
    }
    /// Looks at the entries of one key from one namespace to another (included), in order;
    /// at none, when they are the wrong way round.
    ///
    /// # Errors
    /// As [`Table::modify`]; and whatever `visit` says.
    pub fn range(
        &self,
        key: &K,
        from: N,
        to: N,
        visit: &mut dyn FnMut(&N, &V) -> Result<()>,
    ) -> Result<()> {
        if from > to {
            return Ok(());
        }
        match self {
            MapRef::Heap(table) => table.read(key, &(), |map| {
                let mut entries = map
                    .into_iter()
                    .flat_map(|map| map.range::<N, _>((Included(&from), Included(&to))));
                entries.try_for_each(|(namespace, value)| visit(namespace, value))
            })?,
            #[cfg(feature = "rocksdb")]
            MapRef::RocksDb(_) => {
                let mut entries = self.entries(key)?;
                entries.retain(|(namespace, _)| (&from..=&to).contains(&namespace));
                entries.iter().try_for_each(|(namespace, value)| visit(namespace, value))
            }
        }
    }
    /// Removes the entries of one key.
    ///
    /// # Errors
    /// As [`Table::modify`].
    pub fn clear(&self, key: &K) -> Result<()> {
        match self {
            MapRef::Heap(table) => table.modify(key, &(), |map| *map = None),
            #[cfg(feature = "rocksdb")]
            MapRef::RocksDb(table) => {
                let gone = table.scan(key)?.into_iter().map(|(n, _)| (key.clone(), n, None));
                table.put_all(gone.collect())
            }
        }
    }
    /// Removes some expired entries, if that is not done elsewhere.
    pub fn clean(&self) {
        match self {
            MapRef::Heap(table) => table.clean(),
            #[cfg(feature = "rocksdb")]
            MapRef::RocksDb(table) => table.clean(),
        }
    }
}
