//! A state of bytes in a column family, without a cache.
//!
//! Between an operator with decoded values of its own and the database.
//!
//! Invariant: keys and values have the form of a [`RocksTable`](super::RocksTable) of
//! [`Bytes`], so snapshots and restores are the same.

use super::run::Run;
use super::store::Store;
use super::{AnyTable, Share, fault};
use crate::bytes::{Bytes, BytesTable, HashedKey, IsExpired, Visit, append};
use crate::schema::check_keys;
use crate::table::TableSpec;
use crate::{Restored, StateDescription, StateKind, SubtaskInfo};
use millstream_core::key_group::{key_group_of_hash, stable_hash};
use millstream_core::{Error, Result};
use rocksdb::IteratorMode;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// See the module.
pub(super) struct RocksBytes {
    store: Rc<Store>,
    description: StateDescription,
    max_parallelism: usize,
    /// Entries on their way to the database.
    run: RefCell<Run>,
    /// Whether anything was ever written: a fresh table need not be asked.
    is_on_disk: Cell<bool>,
    /// Of the budget of decoded values.
    share: Share,
}

/// The bytes behind their length.
fn content(stored: &[u8]) -> Result<&[u8]> {
    Ok(postcard::from_bytes(stored)?)
}

impl RocksBytes {
    pub(super) fn open(
        store: &Rc<Store>,
        restored: &Restored,
        subtask: &SubtaskInfo,
        name: &str,
        is_expired: Option<IsExpired>,
    ) -> Result<Self> {
        let spec = TableSpec::<Bytes>::of::<Bytes, ()>(name, StateKind::Value);
        let is_expired = is_expired.map(|is_expired| -> IsExpired {
            std::sync::Arc::new(move |stored| content(stored).is_ok_and(|value| is_expired(value)))
        });
        if let Some(old) = store.declare(name, is_expired)? {
            check_keys(old, &spec.description)?;
        }
        let table = RocksBytes {
            store: Rc::clone(store),
            description: spec.description.clone(),
            max_parallelism: subtask.max_parallelism,
            run: RefCell::new(Run::new(store.backend.shared.options.run_bytes())),
            is_on_disk: Cell::new(restored.is_some()),
            share: store.backend.share(),
        };
        let key = |key: &Bytes, (): &(), bytes| {
            Ok(table.encode_key((stable_hash(key), key.0.as_slice()), bytes))
        };
        Run::restore(store, &spec, restored, subtask, key, |value, bytes| {
            Ok(append(&value.0, bytes))
        })?;
        Ok(table)
    }
    fn encode_key(&self, (hash, key): HashedKey<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend_from_slice(&key_group_of_hash(hash, self.max_parallelism).to_be_bytes());
        append(key, bytes)
    }
    fn write(&self, run: &mut Run) -> Result<()> {
        self.is_on_disk.set(true);
        run.write(&self.store, &self.store.family(&self.description.name)?)
    }
}

impl BytesTable for RocksBytes {
    fn read_all(
        &self,
        keys: &[HashedKey<'_>],
        found: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if !self.is_on_disk.get() || keys.is_empty() {
            return Ok(());
        }
        let encoded = keys.iter().enumerate().map(|(place, key)| {
            let bytes = Vec::with_capacity(key.1.len() + 4);
            (self.encode_key(*key, bytes), place)
        });
        let mut encoded: Vec<(Vec<u8>, usize)> = encoded.collect();
        encoded.sort_unstable();
        let family = self.store.family(&self.description.name)?;
        let bytes = encoded.iter().map(|(bytes, _)| bytes);
        let values = self.store.db.batched_multi_get_cf(&family, bytes, true);
        for (value, (_, place)) in values.into_iter().zip(&encoded) {
            if let Some(value) = value.map_err(fault)? {
                found(*place, content(&value)?)?;
            }
        }
        Ok(())
    }
    fn put(&self, key: HashedKey<'_>, value: Option<&[u8]>) -> Result<()> {
        let mut run = self.run.borrow_mut();
        run.add(
            |bytes| Ok(self.encode_key(key, bytes)),
            value.map(|value| move |bytes| Ok(append(value, bytes))),
        )?;
        if run.is_full() { self.write(&mut run) } else { Ok(()) }
    }
    fn flush(&self) -> Result<()> {
        let mut run = self.run.borrow_mut();
        if run.is_empty() { Ok(()) } else { self.write(&mut run) }
    }
    fn for_each(&self, visit: Visit<'_>) -> Result<()> {
        let family = self.store.family(&self.description.name)?;
        for entry in self.store.db.iterator_cf(&family, IteratorMode::Start) {
            let (key, value) = entry.map_err(fault)?;
            let key = key
                .get(2..)
                .ok_or_else(|| Error::corrupt("RocksDB holds a key without its key group"))?;
            visit(content(key)?, content(&value)?)?;
        }
        Ok(())
    }
    fn budget_bytes(&self) -> usize {
        self.share.bytes()
    }
    fn tell_bytes(&self, bytes: usize) {
        self.share.tell(bytes);
    }
}

impl AnyTable for RocksBytes {
    fn flush(&self) -> Result<()> {
        BytesTable::flush(self)
    }
    fn compact(&self) -> Result<()> {
        self.store.compact(&self.description.name)
    }
    fn description(&self) -> &StateDescription {
        &self.description
    }
}
