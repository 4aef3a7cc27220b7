//! Keyed state as user functions see it: handles on tables in memory.
//!
//! A function asks for its states in `open`; later each handle works on the entry of
//! the key of the record at hand, which the operator sets before the call.
//!
//! Invariant: state is stored under (operator uid, state name, key group); a handle
//! used where there is no key (in `open`, or on a broadcast element) is an error, not
//! the entry of some other key.
//!
//! Handles live in the user's function, whose prototype is sent to the workers before it
//! has any; a handle itself stays on the thread that made it, and one that is used or
//! dropped elsewhere panics.
//!
//! Durable backends, more kinds of state and TTL come with the state issue; handles
//! answer `Result` already, because those can fail.

use crate::operator::SubtaskInfo;
use crate::snapshot::{OperatorSnapshot, Restored};
use hashbrown::HashMap;
use millstream_core::{Data, Error, Key, Result};
use send_wrapper::SendWrapper;
use std::cell::RefCell;
use std::rc::Rc;

/// The hasher of tables in memory: fast, and seeded, because keys come from outside.
pub type TableHasher = foldhash::fast::RandomState;

type Current<K> = Rc<RefCell<Option<K>>>;

/// One named table: key to value.
struct Table<K, V> {
    name: String,
    current: Current<K>,
    rows: RefCell<HashMap<K, V, TableHasher>>,
}

/// A table without the type of its values.
trait AnyTable {
    fn name(&self) -> &str;
    fn snapshot(&self, max_parallelism: usize, into: &mut OperatorSnapshot) -> Result<()>;
}

impl<K: Key, V: Data> AnyTable for Table<K, V> {
    fn name(&self) -> &str {
        &self.name
    }
    fn snapshot(&self, max_parallelism: usize, into: &mut OperatorSnapshot) -> Result<()> {
        for (key, value) in self.rows.borrow().iter() {
            into.put_keyed(&self.name, max_parallelism, key, value)?;
        }
        Ok(())
    }
}

/// A table without the type of its keys.
trait Entry<V> {
    fn modify(&self, change: &mut dyn FnMut(&mut Option<V>)) -> Result<()>;
    fn read(&self, look: &mut dyn FnMut(Option<&V>)) -> Result<()>;
}

impl<K: Key, V: Data> Table<K, V> {
    fn no_key(&self) -> Error {
        Error::user(format!("keyed state '{}' was used where there is no key", self.name))
            .advice("use keyed state in calls for a keyed record or its timers only")
    }
}

impl<K: Key, V: Data> Entry<V> for Table<K, V> {
    fn modify(&self, change: &mut dyn FnMut(&mut Option<V>)) -> Result<()> {
        let current = self.current.borrow();
        let key = current.as_ref().ok_or_else(|| self.no_key())?;
        let mut rows = self.rows.borrow_mut();
        let mut value = rows.remove(key);
        change(&mut value);
        if let Some(value) = value {
            rows.insert(key.clone(), value);
        }
        Ok(())
    }
    fn read(&self, look: &mut dyn FnMut(Option<&V>)) -> Result<()> {
        let current = self.current.borrow();
        let key = current.as_ref().ok_or_else(|| self.no_key())?;
        look(self.rows.borrow().get(key));
        Ok(())
    }
}

/// The keyed states of one operator subtask.
pub struct KeyedStates<K> {
    current: Current<K>,
    tables: Vec<Rc<dyn AnyTable>>,
    restored: Restored,
    subtask: SubtaskInfo,
}

impl<K: Key> KeyedStates<K> {
    /// No states yet; restored entries are read when a state is asked for.
    pub fn new(restored: Restored, subtask: SubtaskInfo) -> Self {
        KeyedStates { current: Rc::default(), tables: Vec::new(), restored, subtask }
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
    fn table<V: Data>(&mut self, name: &str) -> Result<Rc<Table<K, V>>> {
        if self.tables.iter().any(|t| t.name() == name) {
            return Err(Error::user(format!("state '{name}' is declared twice"))
                .advice("give each state of a function its own name"));
        }
        let restored = self.restored.keyed::<K, V>(name, &self.subtask);
        let restored = restored.map_err(|e| e.at(format!("state '{name}'")))?;
        let table = Rc::new(Table {
            name: name.to_owned(),
            current: Rc::clone(&self.current),
            rows: RefCell::new(restored.into_iter().collect()),
        });
        self.tables.push(Rc::clone(&table) as Rc<dyn AnyTable>);
        Ok(table)
    }
    /// A state of one value a key.
    ///
    /// # Errors
    /// A name used twice; restored bytes of another type.
    pub fn value<V: Data>(&mut self, name: &str) -> Result<ValueState<V>> {
        Ok(ValueState { entry: SendWrapper::new(self.table::<V>(name)?) })
    }
    /// A state of a list a key.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn list<V: Data>(&mut self, name: &str) -> Result<ListState<V>> {
        Ok(ListState { entry: SendWrapper::new(self.table::<Vec<V>>(name)?) })
    }
    /// A state of a map a key.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn map<MK: Key + Ord, MV: Data>(&mut self, name: &str) -> Result<MapState<MK, MV>> {
        let table = self.table::<std::collections::BTreeMap<MK, MV>>(name)?;
        Ok(MapState { entry: SendWrapper::new(table) })
    }
    /// Stores every entry of every state.
    ///
    /// # Errors
    /// When an entry does not serialize.
    pub fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        self.tables.iter().try_for_each(|t| t.snapshot(self.subtask.max_parallelism, into))
    }
}

/// One value a key (Flink's `ValueState`).
///
/// ```
/// use millstream_runtime::OperatorContext;
/// use millstream_runtime::state::KeyedStates;
/// let context = OperatorContext::for_tests("count");
/// let mut states = KeyedStates::<u32>::new(context.restored, context.subtask);
/// let count = states.value::<u64>("count")?;
/// states.set_current_key(Some(7));
/// count.update(count.value()?.unwrap_or(0) + 1)?;
/// states.set_current_key(Some(8));
/// assert_eq!(count.value()?, None);
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ValueState<V> {
    entry: SendWrapper<Rc<dyn Entry<V>>>,
}

impl<V: Data> ValueState<V> {
    /// The value, if there is one.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn value(&self) -> Result<Option<V>> {
        let mut found = None;
        self.entry.read(&mut |value| found = value.cloned())?;
        Ok(found)
    }
    /// Sets the value.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn update(&self, value: V) -> Result<()> {
        let mut value = Some(value);
        self.entry.modify(&mut |entry| *entry = value.take())
    }
    /// Changes the value in place: one look-up, no copy.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn modify<R>(&self, change: impl FnOnce(&mut Option<V>) -> R) -> Result<R> {
        let (mut change, mut answer) = (Some(change), None);
        self.entry.modify(&mut |entry| answer = change.take().map(|change| change(entry)))?;
        answer.ok_or_else(|| Error::bug("a state was not visited"))
    }
    /// Removes the value.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn clear(&self) -> Result<()> {
        self.entry.modify(&mut |entry| *entry = None)
    }
}

/// A list a key (Flink's `ListState`).
#[derive(Clone)]
pub struct ListState<V> {
    entry: SendWrapper<Rc<dyn Entry<Vec<V>>>>,
}

impl<V: Data> ListState<V> {
    /// Adds an element at the end.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn add(&self, value: V) -> Result<()> {
        let mut value = Some(value);
        self.entry.modify(&mut |entry| entry.get_or_insert_default().extend(value.take()))
    }
    /// All elements.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn get(&self) -> Result<Vec<V>> {
        let mut found = Vec::new();
        self.entry.read(&mut |list| found = list.cloned().unwrap_or_default())?;
        Ok(found)
    }
    /// Replaces all elements; an empty list clears the state.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn update(&self, values: Vec<V>) -> Result<()> {
        let mut values = Some(values).filter(|v| !v.is_empty());
        self.entry.modify(&mut |entry| *entry = values.take())
    }
    /// Removes all elements.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn clear(&self) -> Result<()> {
        self.entry.modify(&mut |entry| *entry = None)
    }
}

/// A map a key (Flink's `MapState`), in the order of its own keys.
#[derive(Clone)]
pub struct MapState<MK, MV> {
    entry: SendWrapper<Rc<dyn Entry<std::collections::BTreeMap<MK, MV>>>>,
}

impl<MK: Key + Ord, MV: Data> MapState<MK, MV> {
    /// The value under `key`.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn get(&self, key: &MK) -> Result<Option<MV>> {
        let mut found = None;
        self.entry.read(&mut |map| found = map.and_then(|m| m.get(key)).cloned())?;
        Ok(found)
    }
    /// Sets the value under `key`.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn put(&self, key: MK, value: MV) -> Result<()> {
        let mut pair = Some((key, value));
        self.entry.modify(&mut |entry| entry.get_or_insert_default().extend(pair.take()))
    }
    /// Removes `key`.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn remove(&self, key: &MK) -> Result<()> {
        self.entry.modify(&mut |entry| {
            if let Some(map) = entry {
                map.remove(key);
            }
            *entry = entry.take().filter(|map| !map.is_empty());
        })
    }
    /// All pairs.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn entries(&self) -> Result<Vec<(MK, MV)>> {
        let mut found = Vec::new();
        self.entry.read(&mut |map| {
            let pairs = map.into_iter().flatten();
            found = pairs.map(|(k, v)| (k.clone(), v.clone())).collect();
        })?;
        Ok(found)
    }
    /// Removes all pairs.
    ///
    /// # Errors
    /// When there is no key at hand.
    pub fn clear(&self) -> Result<()> {
        self.entry.modify(&mut |entry| *entry = None)
    }
}
