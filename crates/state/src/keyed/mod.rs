//! Keyed state as user functions see it.
//!
//! A function asks for its states in `open`; later each handle works on the entry of the
//! key of the record at hand, which the operator sets before the call.
//!
//! Invariant: a handle used where there is no key (in `open`, or on a broadcast element) is
//! an error, not the entry of some other key.
//!
//! Handles live in the user's function, whose prototype is sent to the workers before it
//! has any; a handle itself stays on the thread that made it, and one that is used or
//! dropped elsewhere panics.

mod entry;
mod handles;

pub use handles::{AggregatingState, ListState, MapState, ReducingState, ValueState};

use crate::bytes::{BytesTable, IsExpired};
use crate::clock::StateClock;
use crate::heap::HeapBackend;
#[cfg(feature = "rocksdb")]
use crate::rocksdb::{RocksDbBackend, RocksStates};
use crate::schema::Value;
use crate::table::{MapRef, Migration, Table, TableRef, TableSpec};
use crate::ttl::{Expiry, Timed};
use crate::{
    ListMode, OperatorSnapshot, Restored, StateDescriptor, StateKind, SubtaskInfo, TimerState,
};
use entry::{Cell, Current, PlainList, PlainMap, TimedCell, TimedList, TimedMap};
use millstream_core::nearest::nearest;
use millstream_core::{Clock, Data, Error, Key, Result};
use std::rc::Rc;
use std::sync::Arc;

/// Where keyed state lives.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum StateBackendConfig {
    /// Typed tables in memory: fastest; state must fit.
    #[default]
    Heap,
    /// RocksDB on the local disk, for state larger than memory.
    #[cfg(feature = "rocksdb")]
    RocksDb(RocksDbBackend),
}

/// What keyed state needs to know of the subtask it belongs to.
#[derive(Clone)]
pub struct StateContext {
    /// Which subtask this is.
    pub subtask: SubtaskInfo,
    /// The state of the former subtasks.
    pub restored: Restored,
    /// Processing time, for TTL.
    pub clock: Arc<dyn Clock>,
    /// Where keyed state lives.
    pub backend: StateBackendConfig,
}

/// Operator state: the latest processing time that TTL has seen.
const TTL_CLOCK: &str = "ttl-clock";

impl StateBackendConfig {
    /// The backend that options by Flink's names ask for: `state.backend.type` (`hashmap` or
    /// `rocksdb`) and `state.backend.rocksdb.*`.
    ///
    /// ```
    /// use millstream_state::StateBackendConfig;
    /// let heap = StateBackendConfig::from_key_values([("state.backend.type", "hashmap")])?;
    /// assert!(heap.is_heap());
    /// let error = StateBackendConfig::from_key_values([("state.backend.typ", "rocksdb")]);
    /// assert!(error.unwrap_err().to_string().contains("did you mean 'state.backend.type'?"));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`with_key_values`](Self::with_key_values).
    pub fn from_key_values<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        Self::default().with_key_values(options)
    }
    /// This backend with options changed, or another one where `state.backend.type` says so.
    ///
    /// # Errors
    /// `Config` for a name or value that is not known, for options of RocksDB without that
    /// backend, and for RocksDB when it is not compiled in.
    pub fn with_key_values<'a>(
        self,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let (mut kind, mut of_rocksdb) = (None, Vec::new());
        for (name, value) in options {
            match name {
                "state.backend.type" | "state.backend" => kind = Some(value.trim()),
                _ if name.starts_with("state.backend.rocksdb.") => of_rocksdb.push((name, value)),
                _ => {
                    let error = Error::config(format!("there is no option '{name}'"));
                    return Err(match nearest(name, ["state.backend.type"]) {
                        Some(near) => error.advice(format!("did you mean '{near}'?")),
                        None => error
                            .advice("there are 'state.backend.type' and 'state.backend.rocksdb.*'"),
                    });
                }
            }
        }
        let on_heap = match kind {
            Some("hashmap" | "heap") => true,
            Some("rocksdb") => false,
            None => self.is_heap(),
            Some(other) => {
                return Err(Error::config(format!("there is no state backend '{other}'"))
                    .advice("set state.backend.type to 'hashmap' or 'rocksdb'"));
            }
        };
        match of_rocksdb.first() {
            Some((name, _)) if on_heap => {
                Err(Error::config(format!("option '{name}' is set, and state is on the heap"))
                    .advice("set state.backend.type to 'rocksdb' too"))
            }
            _ if on_heap => Ok(StateBackendConfig::Heap),
            _ => self.rocksdb(of_rocksdb),
        }
    }
    #[cfg(feature = "rocksdb")]
    fn rocksdb(self, options: Vec<(&str, &str)>) -> Result<Self> {
        let mut all = match &self {
            StateBackendConfig::RocksDb(_) if options.is_empty() => return Ok(self),
            StateBackendConfig::RocksDb(backend) => backend.options().clone(),
            StateBackendConfig::Heap => crate::RocksDbOptions::default(),
        };
        options.into_iter().try_for_each(|(name, value)| all.set(name, value))?;
        Ok(StateBackendConfig::RocksDb(RocksDbBackend::new(all)))
    }
    #[cfg(not(feature = "rocksdb"))]
    fn rocksdb(self, _: Vec<(&str, &str)>) -> Result<Self> {
        Err(Error::config("this build has no RocksDB")
            .advice("build with the cargo feature 'rocksdb'"))
    }
    /// Whether state is in memory, so that an operator may keep it in a form of its own.
    pub fn is_heap(&self) -> bool {
        matches!(self, StateBackendConfig::Heap)
    }
}

enum Backend {
    Heap(HeapBackend),
    #[cfg(feature = "rocksdb")]
    RocksDb(RocksStates),
}

type Prefetch<K> = Box<dyn Fn(&[K]) -> Result<()>>;

/// The keyed states of one operator subtask.
pub struct KeyedStates<K: Key> {
    current: Current<K>,
    names: Vec<String>,
    backend: Backend,
    clock: Arc<StateClock>,
    has_ttl: bool,
    prefetches: Vec<Prefetch<K>>,
}

impl<K: Key> KeyedStates<K> {
    /// No states yet; restored entries are read when a state is asked for.
    ///
    /// # Errors
    /// When the backend cannot open its local storage, or the state was stored in another
    /// backend's own form.
    pub fn open(context: &StateContext) -> Result<Self> {
        let (restored, subtask) = (context.restored.clone(), context.subtask.clone());
        let clock = Arc::new(StateClock::new(Arc::clone(&context.clock)));
        for seen_ms in restored.list_union(TTL_CLOCK)? {
            clock.raise(seen_ms);
        }
        let backend = match &context.backend {
            StateBackendConfig::Heap => Backend::Heap(HeapBackend::open(restored, subtask)?),
            #[cfg(feature = "rocksdb")]
            StateBackendConfig::RocksDb(backend) => {
                Backend::RocksDb(RocksStates::open(backend, restored, subtask)?)
            }
        };
        let (current, names, prefetches) = (Current::default(), Vec::new(), Vec::new());
        Ok(KeyedStates { current, names, backend, clock, has_ttl: false, prefetches })
    }
    /// The key whose entries handles work on from now on.
    #[inline]
    pub fn set_current_key(&self, key: Option<K>) {
        *self.current.borrow_mut() = key;
    }
    /// The key at hand.
    pub fn current_key(&self) -> Option<K> {
        self.current.borrow().clone()
    }
    /// Whether [`prefetch`](Self::prefetch) is of any use.
    #[inline]
    pub fn wants_prefetch(&self) -> bool {
        !self.prefetches.is_empty()
    }
    /// Brings the values of keys near that will be worked on one by one: a bulk read where
    /// the backend is a disk, nothing in memory.
    ///
    /// # Errors
    /// When the local disk fails.
    pub fn prefetch(&self, keys: &[K]) -> Result<()> {
        self.prefetches.iter().try_for_each(|prefetch| prefetch(keys))
    }
    fn claim(&mut self, name: &str) -> Result<()> {
        if self.names.iter().any(|n| n == name) {
            return Err(Error::user(format!("state '{name}' is declared twice"))
                .advice("give each state of a function its own name"));
        }
        self.names.push(name.to_owned());
        Ok(())
    }
    fn open_table<N: Key, V: Data>(&mut self, spec: TableSpec<V>) -> Result<TableRef<K, N, V>> {
        self.claim(&spec.description.name)?;
        let place = format!("state '{}'", spec.description.name);
        let table = match &mut self.backend {
            Backend::Heap(backend) => backend.table(spec),
            #[cfg(feature = "rocksdb")]
            Backend::RocksDb(backend) => backend.table(spec),
        };
        table.map_err(|e| if e.has_place() { e } else { e.at(place) })
    }
    fn open_map<N: Key + Ord, V: Data>(&mut self, spec: TableSpec<V>) -> Result<MapRef<K, N, V>> {
        self.claim(&spec.description.name)?;
        let place = format!("state '{}'", spec.description.name);
        let table = match &mut self.backend {
            Backend::Heap(backend) => backend.map(spec),
            #[cfg(feature = "rocksdb")]
            Backend::RocksDb(backend) => backend.map(spec),
        };
        table.map_err(|e| if e.has_place() { e } else { e.at(place) })
    }
    /// A table for operators, which name keys themselves: (key, namespace) to value.
    ///
    /// # Errors
    /// A name used twice; restored state of another type; a failing local disk.
    pub fn table<N: Key, V: Data>(
        &mut self,
        name: &str,
        kind: StateKind,
    ) -> Result<TableRef<K, N, V>> {
        self.open_table(TableSpec::of::<K, N>(name, kind))
    }
    /// A table for operators that lists the namespaces of a key.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn map_table<N: Key + Ord, V: Data>(
        &mut self,
        name: &str,
        kind: StateKind,
    ) -> Result<MapRef<K, N, V>> {
        self.open_map(TableSpec::of::<K, N>(name, kind))
    }
    /// A state of bytes, for an operator that keeps what it works on in memory in a form of
    /// its own; `None` where the backend is memory: the operator keeps all of it then, and
    /// stores it itself. `is_expired`, if there is a TTL, says which values may go.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn bytes_table(
        &mut self,
        name: &str,
        is_expired: Option<IsExpired>,
    ) -> Result<Option<Rc<dyn BytesTable>>> {
        self.claim(name)?;
        match &mut self.backend {
            Backend::Heap(_) => {
                drop(is_expired);
                Ok(None)
            }
            #[cfg(feature = "rocksdb")]
            Backend::RocksDb(backend) => {
                let table = backend.bytes(name, is_expired).map(Some);
                table.map_err(|e| if e.has_place() { e } else { e.at(format!("state '{name}'")) })
            }
        }
    }
    /// The timers `name` of an operator, restored.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn timers<N: Key>(&mut self, name: &str) -> Result<TimerState<K, N>> {
        self.claim(name)?;
        match &mut self.backend {
            Backend::Heap(backend) => backend.timers(name),
            #[cfg(feature = "rocksdb")]
            Backend::RocksDb(backend) => backend.timers(name),
        }
    }
    fn spec<N: Key, V: Data>(
        name: &str,
        kind: StateKind,
        migration: Option<Migration<V>>,
    ) -> TableSpec<V> {
        TableSpec { migration, ..TableSpec::of::<K, N>(name, kind) }
    }
    /// The specification of a table of timed values.
    fn timed_spec<N: Key, V: Data>(
        &mut self,
        (name, kind, ttl_ms): (&str, StateKind, i64),
        migration: Option<Migration<V>>,
    ) -> TableSpec<Timed<V>> {
        let migration = migration.map(|migrate| -> Migration<Timed<V>> {
            Rc::new(move |value| {
                let (touched, value) = timed_parts(value)?;
                Ok(Timed(touched, migrate(value)?))
            })
        });
        self.has_ttl = true;
        let mut spec = Self::spec::<N, Timed<V>>(name, kind, migration);
        spec.description.ttl_ms = Some(ttl_ms);
        let clock = Arc::clone(&self.clock);
        spec.expiry = Some(Expiry { ttl_ms, clock, touched: |timed| timed.0 });
        spec
    }
    fn cell<V: Data>(
        &mut self,
        descriptor: StateDescriptor<V>,
        kind: StateKind,
    ) -> Result<Rc<dyn entry::Entry<V>>> {
        let StateDescriptor { name, ttl, migration } = descriptor;
        let current = Rc::clone(&self.current);
        let Some(ttl) = ttl else {
            let table = self.open_table(Self::spec::<(), V>(&name, kind, migration))?;
            let cell = Rc::new(Cell { name, current, table });
            self.prefetch_from(&cell, |cell| &cell.table);
            return Ok(cell);
        };
        let spec = self.timed_spec::<(), V>((&name, kind, ttl.ttl_ms), migration);
        let table = self.open_table(spec)?;
        let cell = Cell { name, current, table };
        let cell = Rc::new(TimedCell { cell, ttl, clock: Arc::clone(&self.clock) });
        self.prefetch_from(&cell, |cell| &cell.cell.table);
        Ok(cell)
    }
    fn prefetch_from<V: Data, C: 'static>(
        &mut self,
        cell: &Rc<C>,
        table: fn(&C) -> &TableRef<K, (), V>,
    ) {
        if !matches!(self.backend, Backend::Heap(_)) {
            let cell = Rc::clone(cell);
            self.prefetches.push(Box::new(move |keys| {
                table(&cell).prefetch(&mut keys.iter().map(|key| (key.clone(), ())))
            }));
        }
    }
    /// A state of one value a key.
    ///
    /// # Errors
    /// A name used twice; restored state of another type; a failing local disk.
    pub fn value<V: Data>(&mut self, name: &str) -> Result<ValueState<V>> {
        self.value_with(StateDescriptor::new(name))
    }
    /// A state of one value a key, with settings.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_with<V: Data>(&mut self, descriptor: StateDescriptor<V>) -> Result<ValueState<V>> {
        Ok(ValueState::new(self.cell(descriptor, StateKind::Value)?))
    }
    /// A state of a list a key.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn list<V: Data>(&mut self, name: &str) -> Result<ListState<V>> {
        self.list_with(StateDescriptor::new(name))
    }
    /// A state of a list a key, with settings; the TTL is that of each element.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn list_with<V: Data>(&mut self, descriptor: StateDescriptor<V>) -> Result<ListState<V>> {
        let StateDescriptor { name, ttl, migration } = descriptor;
        let current = Rc::clone(&self.current);
        let Some(ttl) = ttl else {
            let migration = migration.map(|migrate| -> Migration<Vec<V>> {
                Rc::new(move |value| elements(value)?.into_iter().map(|v| migrate(v)).collect())
            });
            let spec = Self::spec::<(), Vec<V>>(&name, StateKind::List, migration);
            let table = self.open_table(spec)?;
            return Ok(ListState::new(Rc::new(PlainList(Cell { name, current, table }))));
        };
        let migration = migration.map(|migrate| -> Migration<Vec<Timed<V>>> {
            Rc::new(move |value| {
                let element = |value| {
                    let (touched, value) = timed_parts(value)?;
                    Ok(Timed(touched, migrate(value)?))
                };
                elements(value)?.into_iter().map(element).collect()
            })
        });
        let spec =
            self.timed_spec::<(), Vec<Timed<V>>>((&name, StateKind::List, ttl.ttl_ms), migration);
        let table = self.open_table(spec)?;
        let cell = Cell { name, current, table };
        Ok(ListState::new(Rc::new(TimedList { cell, ttl, clock: Arc::clone(&self.clock) })))
    }
    /// A state of a map a key.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn map<MK: Key + Ord, MV: Data>(&mut self, name: &str) -> Result<MapState<MK, MV>> {
        self.map_with(StateDescriptor::new(name))
    }
    /// A state of a map a key, with settings; the TTL is that of each entry.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn map_with<MK: Key + Ord, MV: Data>(
        &mut self,
        descriptor: StateDescriptor<MV>,
    ) -> Result<MapState<MK, MV>> {
        let StateDescriptor { name, ttl, migration } = descriptor;
        let current = Rc::clone(&self.current);
        let Some(ttl) = ttl else {
            let table = self.open_map(Self::spec::<MK, MV>(&name, StateKind::Map, migration))?;
            return Ok(MapState::new(Rc::new(PlainMap { name, current, table })));
        };
        let spec = self.timed_spec::<MK, MV>((&name, StateKind::Map, ttl.ttl_ms), migration);
        let table = self.open_map(spec)?;
        let map = PlainMap { name, current, table };
        Ok(MapState::new(Rc::new(TimedMap { map, ttl, clock: Arc::clone(&self.clock) })))
    }
    /// A state that combines all values of a key to one of the same type.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn reducing<V: Data>(
        &mut self,
        descriptor: StateDescriptor<V>,
        reduce: impl Fn(V, V) -> V + 'static,
    ) -> Result<ReducingState<V>> {
        let entry = self.cell(descriptor, StateKind::Reducing)?;
        Ok(ReducingState::new(entry, Rc::new(reduce)))
    }
    /// A state that gathers all values of a key in an accumulator.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn aggregating<In: Data, Acc: Data + Default, Out: Data>(
        &mut self,
        descriptor: StateDescriptor<Acc>,
        add: impl Fn(&mut Acc, In) + 'static,
        result: impl Fn(&Acc) -> Out + 'static,
    ) -> Result<AggregatingState<In, Acc, Out>> {
        let entry = self.cell(descriptor, StateKind::Aggregating)?;
        Ok(AggregatingState::new(entry, Rc::new(add), Rc::new(result)))
    }
    /// Removes everything that has expired, now; otherwise that happens bit by bit.
    ///
    /// # Errors
    /// When the local disk fails.
    pub fn compact(&self) -> Result<()> {
        match &self.backend {
            Backend::Heap(backend) => backend.compact(),
            #[cfg(feature = "rocksdb")]
            Backend::RocksDb(backend) => backend.compact(),
        }
    }
    /// Adds every state to a snapshot; short, because entries are written elsewhere.
    ///
    /// # Errors
    /// When the local disk fails.
    pub fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        if self.has_ttl {
            into.put_list_as(TTL_CLOCK, ListMode::Union, &self.clock.now_ms())?;
        }
        match &self.backend {
            Backend::Heap(backend) => backend.snapshot(into),
            #[cfg(feature = "rocksdb")]
            Backend::RocksDb(backend) => backend.snapshot(into),
        }
    }
}

/// The parts of a stored [`Timed`].
fn timed_parts(value: Value) -> Result<(i64, Value)> {
    if let Value::Seq(parts) = value
        && let Ok([Value::Int(touched), value]) = <[Value; 2]>::try_from(parts)
    {
        return Ok((i64::try_from(touched).unwrap_or(i64::MAX), value));
    }
    Err(Error::corrupt("a value with TTL was stored without its time"))
}

fn elements(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Seq(elements) => Ok(elements),
        _ => Err(Error::corrupt("a list state was stored as something else")),
    }
}
