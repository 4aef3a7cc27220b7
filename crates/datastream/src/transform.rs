//! Operators around a user's closure: map, filter, flat_map, reduce, map_with_state.
//!
//! Invariant: a record's event time is that of the record it was made from.

use crate::function::Collector;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use millstream_core::{Batch, Data, Epoch, Key, Result};
use millstream_runtime::state::TableHasher;
use millstream_runtime::{
    Operator, OperatorContext, OperatorSnapshot, Output, RecordContext, show,
};
use std::cell::Cell;
use std::marker::PhantomData;

type Marker<T> = PhantomData<fn() -> T>;

/// Where in its batch a record is that was moved into user code and cannot be shown.
fn at_row<'a, T>(batch: &Batch<T>, row: &'a Cell<usize>) -> impl Fn() -> String + use<'a, T> {
    let rows = batch.len();
    let times = batch.timestamps();
    let span = times.first().zip(times.last()).map(|(a, b)| (*a, *b));
    move || {
        let row = row.get();
        match span {
            Some((from, to)) => {
                format!("record {row} of {rows}, the first at event time {from}, the last at {to}")
            }
            None => format!("record {row} of {rows}"),
        }
    }
}

pub(crate) struct Map<T, U, F>(F, Marker<(T, U)>);

impl<T, U, F> Map<T, U, F> {
    pub(crate) fn new(f: F) -> Self {
        Map(f, PhantomData)
    }
}

impl<T: Data, U: Data, F: FnMut(T) -> U + 'static> Operator for Map<T, U, F> {
    type In = Batch<T>;
    type Out = Batch<U>;
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<U>>) -> Result<()> {
        let row = Cell::new(0usize);
        let describe = at_row(&batch, &row);
        let _context = RecordContext::new(&describe);
        let f = &mut self.0;
        out.emit(batch.map(|value| {
            row.set(row.get() + 1);
            f(value)
        }));
        Ok(())
    }
}

pub(crate) struct Filter<T, F>(F, Marker<T>);

impl<T, F> Filter<T, F> {
    pub(crate) fn new(f: F) -> Self {
        Filter(f, PhantomData)
    }
}

impl<T: Data, F: FnMut(&T) -> bool + 'static> Operator for Filter<T, F> {
    type In = Batch<T>;
    type Out = Batch<T>;
    fn on_batch(&mut self, mut batch: Batch<T>, out: &mut Output<Batch<T>>) -> Result<()> {
        let f = &mut self.0;
        batch.retain(|value| {
            let describe = || format!("record {}", show(value));
            let _context = RecordContext::new(&describe);
            f(value)
        });
        out.emit(batch);
        Ok(())
    }
}

pub(crate) struct FlatMap<T, U, F>(F, Marker<(T, U)>);

impl<T, U, F> FlatMap<T, U, F> {
    pub(crate) fn new(f: F) -> Self {
        FlatMap(f, PhantomData)
    }
}

impl<T, U, F> Operator for FlatMap<T, U, F>
where
    T: Data,
    U: Data,
    F: FnMut(T, &mut Collector<'_, U>) -> Result<()> + 'static,
{
    type In = Batch<T>;
    type Out = Batch<U>;
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<U>>) -> Result<()> {
        let row = Cell::new(0usize);
        let describe = at_row(&batch, &row);
        let _context = RecordContext::new(&describe);
        for (value, timestamp) in batch {
            row.set(row.get() + 1);
            let answer = (self.0)(value, &mut Collector { out, timestamp });
            answer.map_err(|e| e.at(describe()))?;
        }
        Ok(())
    }
}

/// One value a key, changed by every record, with an answer for each.
pub(crate) struct MapWithState<T, K, S, U, G, F> {
    selector: G,
    update: F,
    /// `None` only while a record is processed.
    table: HashMap<K, Option<S>, TableHasher>,
    max_parallelism: usize,
    state_name: &'static str,
    of: Marker<(T, U)>,
}

impl<T, K, S, U, G, F> MapWithState<T, K, S, U, G, F> {
    pub(crate) fn new(state_name: &'static str, selector: G, update: F) -> Self {
        let table = HashMap::default();
        MapWithState { selector, update, table, max_parallelism: 1, state_name, of: PhantomData }
    }
}

impl<T, K, S, U, G, F> Operator for MapWithState<T, K, S, U, G, F>
where
    T: Data,
    K: Key,
    S: Data,
    U: Data,
    G: Fn(&T) -> K + 'static,
    F: FnMut(&mut Option<S>, T) -> U + 'static,
{
    type In = Batch<T>;
    type Out = Batch<U>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.max_parallelism = context.subtask.max_parallelism;
        let restored = context.restored.keyed::<K, S>(self.state_name, &context.subtask)?;
        self.table.extend(restored.into_iter().map(|(key, state)| (key, Some(state))));
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<U>>) -> Result<()> {
        let (table, selector, update) = (&mut self.table, &self.selector, &mut self.update);
        let row = Cell::new(0usize);
        let describe = at_row(&batch, &row);
        let _context = RecordContext::new(&describe);
        out.emit(batch.map(|value| {
            row.set(row.get() + 1);
            match table.entry(selector(&value)) {
                Entry::Occupied(mut entry) => {
                    let answer = update(entry.get_mut(), value);
                    if entry.get().is_none() {
                        entry.remove();
                    }
                    answer
                }
                Entry::Vacant(entry) => {
                    let mut state = None;
                    let answer = update(&mut state, value);
                    if state.is_some() {
                        entry.insert(state);
                    }
                    answer
                }
            }
        }));
        Ok(())
    }
    fn snapshot(&mut self, _epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let states = self.table.iter().filter_map(|(key, state)| Some((key, state.as_ref()?)));
        for (key, state) in states {
            snapshot.put_keyed(self.state_name, self.max_parallelism, key, state)?;
        }
        Ok(())
    }
}
