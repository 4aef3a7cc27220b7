//! The heap backend: typed tables in memory, snapshots by copy on write.
//!
//! ```text
//!   hash of (key, namespace) ──> directory ──> bucket: a small hash table
//!                                              Own     the worker's alone
//!                                              Shared  also a snapshot's, until either lets go
//! ```
//!
//! A snapshot makes every bucket `Shared`, which moves no entry: its cost on the worker is
//! the number of buckets (each of at most 64 KB of rows). The first
//! change of a shared bucket copies that bucket, if the snapshot has not been written yet:
//! a few microseconds of work at a time. Buckets split one by one as they fill, so
//! growing does not stop the worker either, as one big hash table's would.
//!
//! Entries are encoded on the uploader thread. That needs keys and values that two threads
//! may read, so [`Data`](millstream_core::Data) asks for `Sync`. The other design, to encode
//! in slices on the worker, would take the worker's time for what another core can do, and
//! a writer would have to wait for the slice of its bucket.
//!
//! Invariant: a shared bucket is never changed; what a snapshot writes is the table at the
//! moment of the call.

mod bucket;
mod table;

#[cfg(feature = "rocksdb")]
pub(crate) use table::hash_of;
pub use table::{HeapTable, HeapWriter, Located, TableHasher};

use crate::table::{MapRef, TableRef, TableSpec};
use crate::{OperatorSnapshot, Restored, SubtaskInfo, TimerQueue, TimerState};
use millstream_core::{Data, Error, Key, Result};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A table without its types.
trait AnyTable {
    fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()>;
    fn compact(&self) -> Result<()>;
}

/// The heap tables of one operator subtask.
pub(crate) struct HeapBackend {
    restored: Restored,
    subtask: SubtaskInfo,
    tables: Vec<Rc<dyn AnyTable>>,
}

impl HeapBackend {
    pub(crate) fn open(restored: Restored, subtask: SubtaskInfo) -> Result<Self> {
        if let Some(native) = restored.former().iter().find_map(|former| former.native()) {
            return Err(Error::config(format!(
                "the state of {subtask} was stored in the files of the backend '{}'",
                native.backend
            ))
            .advice("restore it with that backend, or from a savepoint in canonical form"));
        }
        Ok(HeapBackend { restored, subtask, tables: Vec::new() })
    }
    pub(crate) fn table<K: Key, N: Key, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<TableRef<K, N, V>> {
        let encode = |row: &table::Row<K, N, V>, out: Vec<u8>| {
            let Some(value) = &row.value else { return Ok(out) };
            Ok(postcard::to_extend(&(&row.key, &row.namespace, value), out)?)
        };
        let clean = spec.expiry.clone().map(|expiry| {
            Box::new(move |slot: &mut Option<V>| {
                *slot = slot.take().filter(|value| !expiry.is_expired(value));
            }) as table::Clean<V>
        });
        let table = HeapTable::new(&spec.description, &self.subtask, encode, clean);
        spec.restore(&self.restored, &self.subtask, |key, namespace, value| {
            table.insert(key, namespace, value)
        })?;
        let table = Rc::new(table);
        self.tables.push(Rc::clone(&table) as Rc<dyn AnyTable>);
        Ok(TableRef::Heap(table))
    }
    pub(crate) fn map<K: Key, N: Key + Ord, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<MapRef<K, N, V>> {
        let encode = |row: &table::Row<K, (), BTreeMap<N, V>>, mut out: Vec<u8>| {
            for (namespace, value) in row.value.iter().flatten() {
                out = postcard::to_extend(&(&row.key, namespace, value), out)?;
            }
            Ok(out)
        };
        let clean = spec.expiry.clone().map(|expiry| {
            Box::new(move |slot: &mut Option<BTreeMap<N, V>>| {
                if let Some(map) = slot {
                    map.retain(|_, value| !expiry.is_expired(value));
                }
                *slot = slot.take().filter(|map| !map.is_empty());
            }) as table::Clean<BTreeMap<N, V>>
        });
        let table = HeapTable::new(&spec.description, &self.subtask, encode, clean);
        spec.restore(&self.restored, &self.subtask, |key: K, namespace: N, value| {
            let entry = |map: &mut Option<BTreeMap<N, V>>| {
                map.get_or_insert_default().insert(namespace, value);
            };
            crate::table::Table::modify(&table, &key, &(), entry)
        })?;
        let table = Rc::new(table);
        self.tables.push(Rc::clone(&table) as Rc<dyn AnyTable>);
        Ok(MapRef::Heap(table))
    }
    pub(crate) fn timers<K: Key, N: Key>(&self, name: &str) -> Result<TimerState<K, N>> {
        let mut timers = TimerQueue::default();
        timers.restore(name, &self.restored, &self.subtask)?;
        Ok(TimerState::Heap(timers))
    }
    pub(crate) fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        self.tables.iter().try_for_each(|table| table.snapshot(into))
    }
    pub(crate) fn compact(&self) -> Result<()> {
        self.tables.iter().try_for_each(|table| table.compact())
    }
}
