//! The handles that user functions hold.
//!
//! Invariant: every method answers an error, not a wrong entry, when there is no key at hand.

use super::entry::{Entry, ListEntry, MapEntry};
use millstream_core::{Data, Error, Key, Result};
use send_wrapper::SendWrapper;
use std::rc::Rc;

/// One value a key (Flink's `ValueState`).
///
/// ```
/// use millstream_core::SystemClock;
/// use millstream_state::{KeyedStates, Restored, StateBackendConfig, StateContext, SubtaskInfo};
/// let (name, uid) = ("count".to_owned(), "count".to_owned());
/// let mut states = KeyedStates::<u32>::open(&StateContext {
///     subtask: SubtaskInfo { name, uid, index: 0, parallelism: 1, max_parallelism: 128 },
///     restored: Restored::default(),
///     clock: std::sync::Arc::new(SystemClock),
///     backend: StateBackendConfig::Heap,
/// })?;
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
    pub(super) fn new(entry: Rc<dyn Entry<V>>) -> Self {
        ValueState { entry: SendWrapper::new(entry) }
    }
    /// The value, if there is one.
    ///
    /// # Errors
    /// When there is no key at hand, or the local disk fails.
    pub fn value(&self) -> Result<Option<V>> {
        let mut found = None;
        self.entry.read(&mut |value| found = value.cloned())?;
        Ok(found)
    }
    /// Sets the value.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn update(&self, value: V) -> Result<()> {
        let mut value = Some(value);
        self.entry.modify(&mut |entry| *entry = value.take())
    }
    /// Changes the value in place: one look-up, no copy.
    ///
    /// # Errors
    /// As [`value`](Self::value); and when `change` uses the same state.
    pub fn modify<R>(&self, change: impl FnOnce(&mut Option<V>) -> R) -> Result<R> {
        let (mut change, mut answer) = (Some(change), None);
        self.entry.modify(&mut |entry| answer = change.take().map(|change| change(entry)))?;
        answer.ok_or_else(|| Error::bug("a state was not visited"))
    }
    /// Removes the value.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn clear(&self) -> Result<()> {
        self.entry.modify(&mut |entry| *entry = None)
    }
}

/// A list a key (Flink's `ListState`).
#[derive(Clone)]
pub struct ListState<V> {
    entry: SendWrapper<Rc<dyn ListEntry<V>>>,
}

impl<V: Data> ListState<V> {
    pub(super) fn new(entry: Rc<dyn ListEntry<V>>) -> Self {
        ListState { entry: SendWrapper::new(entry) }
    }
    /// Adds an element at the end.
    ///
    /// # Errors
    /// When there is no key at hand, or the local disk fails.
    pub fn add(&self, value: V) -> Result<()> {
        self.entry.add(value)
    }
    /// All elements.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn get(&self) -> Result<Vec<V>> {
        self.entry.get()
    }
    /// Replaces all elements; an empty list clears the state.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn update(&self, values: Vec<V>) -> Result<()> {
        self.entry.update(values)
    }
    /// Removes all elements.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn clear(&self) -> Result<()> {
        self.entry.update(Vec::new())
    }
}

/// A map a key (Flink's `MapState`), in the order of its own keys.
#[derive(Clone)]
pub struct MapState<MK, MV> {
    entry: SendWrapper<Rc<dyn MapEntry<MK, MV>>>,
}

impl<MK: Key + Ord, MV: Data> MapState<MK, MV> {
    pub(super) fn new(entry: Rc<dyn MapEntry<MK, MV>>) -> Self {
        MapState { entry: SendWrapper::new(entry) }
    }
    /// The value under `key`.
    ///
    /// # Errors
    /// When there is no key at hand, or the local disk fails.
    pub fn get(&self, key: &MK) -> Result<Option<MV>> {
        self.entry.get(key)
    }
    /// Sets the value under `key`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn put(&self, key: MK, value: MV) -> Result<()> {
        self.entry.put(key, Some(value))
    }
    /// Removes `key`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove(&self, key: &MK) -> Result<()> {
        self.entry.put(key.clone(), None)
    }
    /// All pairs.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn entries(&self) -> Result<Vec<(MK, MV)>> {
        self.entry.entries()
    }
    /// Removes all pairs.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn clear(&self) -> Result<()> {
        self.entry.clear()
    }
}

/// All values of a key, combined to one (Flink's `ReducingState`).
#[derive(Clone)]
pub struct ReducingState<V> {
    entry: SendWrapper<Rc<dyn Entry<V>>>,
    reduce: SendWrapper<Rc<dyn Fn(V, V) -> V>>,
}

impl<V: Data> ReducingState<V> {
    pub(super) fn new(entry: Rc<dyn Entry<V>>, reduce: Rc<dyn Fn(V, V) -> V>) -> Self {
        ReducingState { entry: SendWrapper::new(entry), reduce: SendWrapper::new(reduce) }
    }
    /// Combines a value with what is there.
    ///
    /// # Errors
    /// When there is no key at hand, or the local disk fails.
    pub fn add(&self, value: V) -> Result<()> {
        let mut value = Some(value);
        self.entry.modify(&mut |slot| {
            *slot = match (slot.take(), value.take()) {
                (Some(former), Some(value)) => Some((self.reduce)(former, value)),
                (former, value) => former.or(value),
            };
        })
    }
    /// The combined value.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn get(&self) -> Result<Option<V>> {
        let mut found = None;
        self.entry.read(&mut |value| found = value.cloned())?;
        Ok(found)
    }
    /// Removes it.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn clear(&self) -> Result<()> {
        self.entry.modify(&mut |slot| *slot = None)
    }
}

type Add<Acc, In> = dyn Fn(&mut Acc, In);
type Give<Acc, Out> = dyn Fn(&Acc) -> Out;

/// All values of a key in an accumulator (Flink's `AggregatingState`).
#[derive(Clone)]
pub struct AggregatingState<In, Acc, Out> {
    entry: SendWrapper<Rc<dyn Entry<Acc>>>,
    add: SendWrapper<Rc<Add<Acc, In>>>,
    result: SendWrapper<Rc<Give<Acc, Out>>>,
}

impl<In: Data, Acc: Data + Default, Out: Data> AggregatingState<In, Acc, Out> {
    pub(super) fn new(
        entry: Rc<dyn Entry<Acc>>,
        add: Rc<Add<Acc, In>>,
        result: Rc<Give<Acc, Out>>,
    ) -> Self {
        let (add, result) = (SendWrapper::new(add), SendWrapper::new(result));
        AggregatingState { entry: SendWrapper::new(entry), add, result }
    }
    /// Adds a value to the accumulator.
    ///
    /// # Errors
    /// When there is no key at hand, or the local disk fails.
    pub fn add(&self, value: In) -> Result<()> {
        let mut value = Some(value);
        self.entry.modify(&mut |slot| {
            if let Some(value) = value.take() {
                (self.add)(slot.get_or_insert_default(), value);
            }
        })
    }
    /// The result of what was added.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn get(&self) -> Result<Option<Out>> {
        let mut found = None;
        self.entry.read(&mut |acc| found = acc.map(|acc| (self.result)(acc)))?;
        Ok(found)
    }
    /// Removes it.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn clear(&self) -> Result<()> {
        self.entry.modify(&mut |slot| *slot = None)
    }
}
