//! One state in a column family, behind a write-back cache of decoded values.
//!
//! Invariant: the cache is newer than the column family where they differ, and what differs
//! is dirty.

use super::cache::{Write, WriteBack};
use super::run::Run;
use super::store::Store;
use super::{AnyTable, Share, fault};
use crate::bytes::IsExpired;
use crate::heap::TableHasher;
use crate::table::{Decoder, Table, TableSpec};
use crate::{Restored, StateDescription, SubtaskInfo};
use hashbrown::HashMap;
use millstream_core::{Data, Error, Key, Result, key_group_of};
use rocksdb::{Direction, IteratorMode, ReadOptions, WriteBatch};
use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

/// Rewritten entries are written in batches of about this size.
const BATCH_BYTES: usize = 1 << 20;
/// A table of the RocksDB backend.
pub struct RocksTable<K, N, V> {
    store: Rc<Store>,
    description: StateDescription,
    max_parallelism: usize,
    cache: RefCell<WriteBack<K, N, V>>,
    /// The key bytes of the entry at hand.
    buffer: RefCell<Vec<u8>>,
    /// Of the budget of decoded values.
    share: Share,
}

impl<K: Key, N: Key, V: Data> RocksTable<K, N, V> {
    pub(super) fn open(
        store: &Rc<Store>,
        restored: &Restored,
        subtask: &SubtaskInfo,
        spec: TableSpec<V>,
        cache: WriteBack<K, N, V>,
    ) -> Result<Self> {
        let table = RocksTable {
            store: Rc::clone(store),
            description: spec.description.clone(),
            max_parallelism: subtask.max_parallelism,
            cache: RefCell::new(cache),
            buffer: RefCell::default(),
            share: store.backend.share(),
        };
        let is_expired = spec.expiry.as_ref().map(|expiry| -> IsExpired {
            let (ttl_ms, clock) = (expiry.ttl_ms, Arc::clone(&expiry.clock));
            // The time of the last touch is in front of the value.
            Arc::new(move |value| {
                let touched = postcard::take_from_bytes::<i64>(value);
                touched.is_ok_and(|(at, _)| at.saturating_add(ttl_ms) <= clock.now_ms())
            })
        });
        if let Some(old) = store.declare(&table.description.name, is_expired)? {
            let decoder = spec.decoder(old)?;
            if matches!(decoder, Decoder::Tree(..)) {
                table.rewrite(&decoder)?;
            }
        }
        let key = |key: &K, namespace: &N, bytes| table.encode_key(key, namespace, bytes);
        Run::restore(store, &spec, restored, subtask, key, |value, bytes| {
            Ok(postcard::to_extend(value, bytes)?)
        })?;
        Ok(table)
    }
    /// Rewrites every value of the column family in the present schema.
    fn rewrite(&self, decoder: &Decoder<V>) -> Result<()> {
        let family = self.store.family(&self.description.name)?;
        let mut batch = WriteBatch::default();
        for entry in self.store.db.iterator_cf(&family, IteratorMode::Start) {
            let (key, value) = entry.map_err(fault)?;
            let (value, _) = decoder.decode(&value)?;
            batch.put_cf(&family, key, postcard::to_stdvec(&value)?);
            if batch.size_in_bytes() >= BATCH_BYTES {
                self.store.write(std::mem::take(&mut batch))?;
            }
        }
        self.store.write(batch)
    }
    fn in_use(&self) -> Error {
        let name = &self.description.name;
        Error::user(format!("state '{name}' was used while it was being changed"))
            .advice("do not use a state inside of a closure that changes the same state")
    }
    fn borrow(&self) -> Result<RefMut<'_, WriteBack<K, N, V>>> {
        self.cache.try_borrow_mut().map_err(|_| self.in_use())
    }
    fn encode_key(&self, key: &K, namespace: &N, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        bytes.extend_from_slice(&key_group_of(key, self.max_parallelism).to_be_bytes());
        Ok(postcard::to_extend(&(key, namespace), bytes)?)
    }
    /// Calls `with` with the bytes of a key.
    fn with_key<R>(&self, key: &K, namespace: &N, with: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut buffer = self.buffer.borrow_mut();
        let mut bytes = std::mem::take(&mut *buffer);
        bytes.clear();
        *buffer = self.encode_key(key, namespace, bytes)?;
        Ok(with(&buffer))
    }
    /// Makes room, then reads the entry from the database into the cache.
    #[cold]
    fn load(
        &self,
        hash: u64,
        key: &K,
        namespace: &N,
        cache: &mut WriteBack<K, N, V>,
    ) -> Result<()> {
        let family = self.store.family(&self.description.name)?;
        let (found, key_bytes) = self.with_key(key, namespace, |bytes| {
            (self.store.db.get_pinned_cf(&family, bytes), bytes.len())
        })?;
        let found = found.map_err(fault)?;
        let encoded = key_bytes + found.as_ref().map_or(0, |value| value.len());
        self.store.backend.shared.trim.moved(encoded);
        let value = found.map(|value| postcard::from_bytes(&value)).transpose()?;
        self.make_room(hash, cache)?;
        cache.insert_stored(hash, key.clone(), namespace.clone(), value, encoded);
        Ok(())
    }
    /// Makes room in the cache, in the place of others when it is full.
    #[inline]
    fn make_room(&self, hash: u64, cache: &mut WriteBack<K, N, V>) -> Result<()> {
        let budget_bytes = self.share.bytes();
        self.writing(|write| cache.make_room(hash, budget_bytes, write))?;
        self.tell(cache);
        Ok(())
    }
    /// Tells the process how large the cache is.
    #[inline]
    fn tell(&self, cache: &WriteBack<K, N, V>) {
        self.share.tell(cache.bytes());
    }
    fn run(&self) -> Run {
        Run::new(self.store.backend.shared.options.run_bytes())
    }
    /// Calls `call` with something that writes entries to the column family.
    #[inline]
    fn writing(&self, call: impl FnOnce(Write<'_, K, N, V>) -> Result<()>) -> Result<()> {
        let mut run = self.run();
        call(&mut |key, namespace, value| {
            let bytes = run.add(
                |bytes| self.encode_key(key, namespace, bytes),
                value.map(|value| move |bytes| Ok(postcard::to_extend(value, bytes)?)),
            )?;
            if run.is_full() {
                self.write(&mut run)?;
            }
            Ok(bytes)
        })?;
        if run.is_empty() { Ok(()) } else { self.write(&mut run) }
    }
    #[cold]
    fn write(&self, run: &mut Run) -> Result<()> {
        run.write(&self.store, &self.store.family(&self.description.name)?)
    }
    /// The entries of one key, in no particular order.
    ///
    /// # Errors
    /// When the local disk fails.
    pub(crate) fn scan(&self, key: &K) -> Result<Vec<(N, V)>> {
        let cache = self.borrow()?;
        let changed: HashMap<&N, Option<&V>, TableHasher> = cache.dirty_of(key).collect();
        let mut found = Vec::new();
        if !cache.is_first() {
            let family = self.store.family(&self.description.name)?;
            // An encoded key is never the beginning of another one's bytes.
            let prefix = prefix_of(key, self.max_parallelism)?;
            let start = IteratorMode::From(&prefix, Direction::Forward);
            for entry in self.store.db.iterator_cf_opt(&family, ReadOptions::default(), start) {
                let (bytes, value) = entry.map_err(fault)?;
                let Some(namespace) = bytes.strip_prefix(prefix.as_slice()) else { break };
                let namespace: N = postcard::from_bytes(namespace)?;
                if !changed.contains_key(&namespace) {
                    found.push((namespace, postcard::from_bytes(&value)?));
                }
            }
        }
        let changed = changed.into_iter().filter_map(|(n, v)| Some((n.clone(), v?.clone())));
        found.extend(changed);
        Ok(found)
    }
}

/// The bytes that the entries of a key begin with.
fn prefix_of<K: Key>(key: &K, max_parallelism: usize) -> Result<Vec<u8>> {
    let group = key_group_of(key, max_parallelism).to_be_bytes();
    Ok(postcard::to_extend(key, group.to_vec())?)
}

impl<K: Key, N: Key, V: Data> Table<K, N, V> for RocksTable<K, N, V> {
    #[inline]
    fn modify<R>(
        &self,
        key: &K,
        namespace: &N,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        let mut cache = self.borrow()?;
        let hash = cache.hash(key, namespace);
        let change = match cache.change(hash, key, namespace, change) {
            Ok(answer) => return Ok(answer),
            Err(change) => change,
        };
        if cache.is_complete() {
            self.make_room(hash, &mut cache)?;
            let mut value = None;
            let answer = change(&mut value);
            if value.is_some() {
                cache.insert_changed(hash, key.clone(), namespace.clone(), value, false);
            }
            return Ok(answer);
        }
        self.load(hash, key, namespace, &mut cache)?;
        let changed = cache.change(hash, key, namespace, change);
        changed.map_err(|_| Error::bug("an entry is not in the cache that it was read to"))
    }
    #[inline]
    fn read<R>(&self, key: &K, namespace: &N, look: impl FnOnce(Option<&V>) -> R) -> Result<R> {
        let mut cache = self.borrow()?;
        let hash = cache.hash(key, namespace);
        let look = match cache.look(hash, key, namespace, look) {
            Ok(answer) => return Ok(answer),
            Err(look) => look,
        };
        if cache.is_complete() {
            return Ok(look(None));
        }
        self.load(hash, key, namespace, &mut cache)?;
        let seen = cache.look(hash, key, namespace, look);
        seen.map_err(|_| Error::bug("an entry is not in the cache that it was read to"))
    }
    fn get_all(&self, keys: &[(K, N)]) -> Result<Vec<Option<V>>> {
        self.prefetch(&mut keys.iter().cloned())?;
        keys.iter().map(|(key, namespace)| self.read(key, namespace, |v| v.cloned())).collect()
    }
    fn put_all(&self, entries: Vec<(K, N, Option<V>)>) -> Result<()> {
        for (key, namespace, value) in entries {
            let mut cache = self.borrow()?;
            let hash = cache.hash(&key, &namespace);
            if cache.touch(hash, &key, &namespace) {
                let _ = cache.change(hash, &key, &namespace, |slot| *slot = value);
                continue;
            }
            // What was there does not matter, so it is not read.
            let may_be_stored = !cache.is_complete();
            if value.is_some() || may_be_stored {
                self.make_room(hash, &mut cache)?;
                cache.insert_changed(hash, key, namespace, value, may_be_stored);
            }
        }
        Ok(())
    }
    fn prefetch(&self, keys: &mut dyn Iterator<Item = (K, N)>) -> Result<()> {
        let mut cache = self.borrow()?;
        if cache.is_complete() {
            keys.for_each(|(key, namespace)| cache.approach(cache.hash(&key, &namespace)));
            return Ok(());
        }
        let hashed = |(key, namespace)| {
            let hash = cache.hash(&key, &namespace);
            cache.approach(hash);
            (hash, key, namespace)
        };
        let keys: Vec<(u64, K, N)> = keys.map(hashed).collect();
        let mut missing = Vec::new();
        for (hash, key, namespace) in keys {
            if !cache.touch(hash, &key, &namespace) {
                let bytes = self.with_key(&key, &namespace, <[u8]>::to_vec)?;
                missing.push((bytes, hash, key, namespace));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        missing.dedup_by(|a, b| a.0 == b.0);
        let family = self.store.family(&self.description.name)?;
        let bytes = missing.iter().map(|(bytes, ..)| bytes);
        let found = self.store.db.batched_multi_get_cf(&family, bytes, true);
        let mut moved = 0;
        for (found, (bytes, hash, key, namespace)) in found.into_iter().zip(missing) {
            let found = found.map_err(fault)?;
            let encoded = bytes.len() + found.as_ref().map_or(0, |value| value.len());
            moved += encoded;
            let value = found.map(|value| postcard::from_bytes(&value)).transpose()?;
            self.make_room(hash, &mut cache)?;
            cache.insert_stored(hash, key, namespace, value, encoded);
        }
        self.store.backend.shared.trim.moved(moved);
        Ok(())
    }
    fn for_each(&self, visit: &mut dyn FnMut(&K, &N, &V) -> Result<()>) -> Result<()> {
        self.flush()?;
        let family = self.store.family(&self.description.name)?;
        for entry in self.store.db.iterator_cf(&family, IteratorMode::Start) {
            let (bytes, value) = entry.map_err(fault)?;
            let (key, namespace) = postcard::from_bytes(bytes.get(2..).unwrap_or_default())?;
            visit(&key, &namespace, &postcard::from_bytes(&value)?)?;
        }
        Ok(())
    }
    fn clean(&self) {}
    fn compact(&self) -> Result<()> {
        self.flush()?;
        self.store.compact(&self.description.name)
    }
}

impl<K: Key, N: Key, V: Data> AnyTable for RocksTable<K, N, V> {
    fn flush(&self) -> Result<()> {
        let mut cache = self.borrow()?;
        self.writing(|write| cache.write_back(self.share.bytes(), write))?;
        self.tell(&cache);
        Ok(())
    }
    fn compact(&self) -> Result<()> {
        Table::compact(self)
    }
    fn description(&self) -> &StateDescription {
        &self.description
    }
}
