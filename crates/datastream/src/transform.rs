//! Operators around a user's closure: map, filter, flat_map, reduce, map_with_state.
//!
//! Invariant: a record's event time is that of the record it was made from.

use crate::function::Collector;
use millstream_core::{Batch, Data, Epoch, Error, Key, Result};
use millstream_runtime::snapshot::StateKind;
use millstream_runtime::state::{KeyedStates, Table, TableRef};
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
pub(crate) struct MapWithState<T, K: Key, S: Data, U, G, F> {
    selector: G,
    update: F,
    state: (&'static str, StateKind),
    opened: Option<(KeyedStates<K>, TableRef<K, (), S>)>,
    of: Marker<(T, U)>,
}

impl<T, K: Key, S: Data, U, G, F> MapWithState<T, K, S, U, G, F> {
    pub(crate) fn new(state: (&'static str, StateKind), selector: G, update: F) -> Self {
        MapWithState { selector, update, state, opened: None, of: PhantomData }
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
        let mut states = context.keyed_states()?;
        let table = states.table(self.state.0, self.state.1)?;
        self.opened = Some((states, table));
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<U>>) -> Result<()> {
        let Some((_, table)) = &self.opened else {
            return Err(Error::bug("an operator was used before open"));
        };
        let (selector, update) = (&self.selector, &mut self.update);
        let row = Cell::new(0usize);
        let describe = at_row(&batch, &row);
        let _context = RecordContext::new(&describe);
        if let Some(table) = table.heap() {
            let mut table = table.writer()?;
            let keys = batch.values().iter().map(|value| {
                row.set(row.get() + 1);
                selector(value)
            });
            let located = table.locate(keys, &());
            row.set(0);
            let (values, timestamps) = batch.into_parts();
            let answers = values.into_iter().zip(&located).map(|(value, at)| {
                row.set(row.get() + 1);
                table.modify_at(at, &(), |slot| update(slot, value))
            });
            out.emit(Batch::from_parts(answers.collect(), timestamps));
            return Ok(());
        }
        table.prefetch(&mut batch.values().iter().map(|value| (selector(value), ())))?;
        let mut answers = Batch::with_capacity(batch.len());
        for (value, timestamp) in batch {
            row.set(row.get() + 1);
            let answer = table.modify(&selector(&value), &(), |slot| update(slot, value))?;
            answers.push(answer, timestamp);
        }
        out.emit(answers);
        Ok(())
    }
    fn snapshot(&mut self, _epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.opened.as_ref().map_or(Ok(()), |(states, _)| states.snapshot(snapshot))
    }
}
