//! Aggregate functions over slots: one accumulator object holds the states of all groups.
//!
//! ```text
//!   row      0 1 2 3              every call of a query is one Accumulator; a group (or a
//!   slot     5 7 5 2              group in a window pane) is a slot in each of them
//!   argument a b c d   ──update──> states[5] += a, states[7] += b, ...
//! ```
//!
//! Behind the group, window and OVER operators. The slot of a row comes from their tables.
//!
//! Invariant: what `write` stores of a slot, `read` brings back with the same results under
//! all later updates, retractions and merges.

mod collecting;
mod distinct;
mod distinct_counts;
mod extremum;
pub mod native;
mod numeric;
mod ranking;
mod sketch;
pub mod user;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use millstream_core::{Error, Result};

use super::spec::{AggCall, AggFunction};
use super::state_table::{Reader, Slot};
use crate::types::SqlType;
use distinct_counts::{DistinctCounts, MOST_CALLS};
use user::UserFunctions;

/// Rows for an accumulator.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The arguments: whole columns.
    pub args: &'a [ArrayRef],
    /// The rows of the columns that count.
    pub rows: &'a [u32],
    /// The slot of each of `rows`.
    pub slots: &'a [Slot],
    /// For each of `rows` whether it is taken away; absent when all are added.
    pub retract: Option<&'a [bool]>,
}

impl<'a> Input<'a> {
    /// Row, slot, and whether it is taken away.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, bool)> + 'a {
        let retract = self.retract;
        self.rows.iter().zip(self.slots).enumerate().map(move |(i, (row, slot))| {
            (*row as usize, *slot as usize, retract.is_some_and(|retract| retract[i]))
        })
    }
    /// As [`iter`](Self::iter), without rows whose argument `index` is NULL.
    pub fn iter_valid(&self, index: usize) -> impl Iterator<Item = (usize, usize, bool)> + 'a {
        let nulls = self.args.get(index).and_then(|arg| arg.logical_nulls());
        self.iter().filter(move |(row, ..)| nulls.as_ref().is_none_or(|n| n.is_valid(*row)))
    }
    /// The argument with this index.
    ///
    /// # Errors
    /// Bug: the call was planned with fewer.
    pub fn arg(&self, index: usize) -> Result<&'a ArrayRef> {
        self.args
            .get(index)
            .ok_or_else(|| Error::bug(format!("an aggregate misses its argument {index}")))
    }
}

/// The states of one aggregate call for all slots.
///
/// A slot that was never updated, or was cleared, is an empty group.
pub trait Accumulator {
    /// Makes room for slots below `slots`.
    fn grow(&mut self, slots: usize);
    /// Adds rows, and takes rows away, in order.
    ///
    /// # Errors
    /// Data: a value that the function refuses. Bug: arguments of other types than planned.
    fn update(&mut self, input: &Input<'_>) -> Result<()>;
    /// Adds what slot `from` holds to slot `into`; `from` keeps it.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()>;
    /// The results of some slots, in the call's result type.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef>;
    /// Empties a slot.
    fn clear(&mut self, slot: Slot);
    /// Appends what a slot holds.
    ///
    /// # Errors
    /// A user's accumulator does not serialize.
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()>;
    /// Fills an empty slot with what [`write`](Self::write) stored.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are damaged or of another function.
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()>;
}

/// The accumulator of a call; `retracts`: rows may be taken away.
fn accumulator(
    call: &AggCall,
    retracts: bool,
    functions: &UserFunctions,
) -> Result<Box<dyn Accumulator>> {
    let argument = || -> Result<&SqlType> {
        call.arg_types
            .first()
            .ok_or_else(|| Error::bug(format!("{:?} without an argument", call.function)))
    };
    Ok(match &call.function {
        AggFunction::Count => Box::new(numeric::Count::new(!call.args.is_empty())),
        AggFunction::Sum | AggFunction::Sum0 | AggFunction::Avg => {
            numeric::sum(&call.function, argument()?, &call.result)?
        }
        AggFunction::StddevPop
        | AggFunction::StddevSamp
        | AggFunction::VarPop
        | AggFunction::VarSamp => numeric::variance(&call.function, argument()?, &call.result)?,
        AggFunction::Min => extremum::extremum(false, retracts, argument()?)?,
        AggFunction::Max => extremum::extremum(true, retracts, argument()?)?,
        AggFunction::FirstValue => Box::new(collecting::Edge::new(false, retracts, argument()?)?),
        AggFunction::LastValue => Box::new(collecting::Edge::new(true, retracts, argument()?)?),
        AggFunction::SingleValue => Box::new(collecting::Single::new(argument()?)?),
        AggFunction::ListAgg { .. }
        | AggFunction::Collect
        | AggFunction::ArrayAgg { .. }
        | AggFunction::JsonObjectAgg { .. }
        | AggFunction::JsonArrayAgg { .. } => Box::new(collecting::Collecting::new(call)?),
        AggFunction::ApproxCountDistinct => {
            if retracts {
                return Err(Error::config("APPROX_COUNT_DISTINCT over an updating input")
                    .advice("use COUNT(DISTINCT ..)"));
            }
            Box::new(sketch::ApproxCountDistinct::new(argument()?)?)
        }
        AggFunction::Percentile { fractions, array } => {
            Box::new(sketch::Percentile::new(fractions.clone(), *array, &call.arg_types)?)
        }
        AggFunction::User(name) => functions.accumulator(name, call, retracts)?,
        AggFunction::RowNumber => Box::new(numeric::Count::new(false)),
        AggFunction::Rank => Box::new(ranking::Rank::new(false, &call.arg_types, &call.result)?),
        AggFunction::DenseRank => {
            Box::new(ranking::Rank::new(true, &call.arg_types, &call.result)?)
        }
        AggFunction::Lag { offset } => Box::new(ranking::Lag::new(*offset, &call.arg_types)?),
    })
}

struct Call {
    args: Vec<usize>,
    filter: Option<usize>,
    states: States,
}

/// Where the states of a call are.
enum States {
    Own(Box<dyn Accumulator>),
    /// In [`Aggregates::distinct`]: which table, and which of its calls.
    Distinct(usize, usize),
}

/// Calls of COUNT(DISTINCT ..) with the same arguments.
struct Distinct {
    args: Vec<usize>,
    filters: Vec<Option<usize>>,
    states: DistinctCounts,
}

/// All aggregate calls of an operator.
pub struct Aggregates {
    calls: Vec<Call>,
    distinct: Vec<Distinct>,
    slots: usize,
}

/// Whether several of `calls` can share their table of values: all of a kind with `call`.
fn sharing(calls: &[AggCall], call: &AggCall, retracts: bool) -> Vec<usize> {
    let is_count = |c: &AggCall| c.distinct && c.function == AggFunction::Count;
    if retracts || !is_count(call) {
        return vec![];
    }
    let like = |(_, c): &(usize, &AggCall)| is_count(c) && c.args == call.args;
    let all = calls.iter().enumerate().filter(like);
    all.map(|(i, _)| i).take(MOST_CALLS).collect()
}

fn column(columns: &[ArrayRef], index: usize) -> Result<&ArrayRef> {
    columns.get(index).ok_or_else(|| {
        Error::bug(format!("an aggregate reads column {index} of {}", columns.len()))
    })
}

fn filter_of(columns: &[ArrayRef], index: usize) -> Result<&BooleanArray> {
    let filter = column(columns, index)?.as_boolean_opt();
    filter.ok_or_else(|| Error::bug("the FILTER of an aggregate is not BOOLEAN"))
}

impl Aggregates {
    /// For these calls. `retracts`: rows may be taken away again.
    ///
    /// # Errors
    /// Configuration: a function or its argument type is not supported here, or a user's
    /// function is not registered.
    pub fn new(calls: &[AggCall], retracts: bool, functions: &UserFunctions) -> Result<Self> {
        let mut distinct = Vec::new();
        let mut shared = vec![None; calls.len()];
        for (i, call) in calls.iter().enumerate() {
            let alike = sharing(calls, call, retracts);
            if shared[i].is_none() && alike.len() > 1 && alike.contains(&i) {
                for (nth, of) in alike.iter().enumerate() {
                    shared[*of] = Some((distinct.len(), nth));
                }
                distinct.push(Distinct {
                    args: call.args.clone(),
                    filters: alike.iter().map(|of| calls[*of].filter).collect(),
                    states: DistinctCounts::new(&call.arg_types, alike.len())?,
                });
            }
        }
        let make = |(call, shared): (&AggCall, &Option<(usize, usize)>)| {
            let states = match (shared, call.distinct) {
                (Some((table, nth)), _) => States::Distinct(*table, *nth),
                (None, false) => States::Own(accumulator(call, retracts, functions)?),
                (None, true) => {
                    let inner = accumulator(call, retracts, functions)?;
                    States::Own(Box::new(distinct::Distinct::new(inner, &call.arg_types)?))
                }
            };
            Ok(Call { args: call.args.clone(), filter: call.filter, states })
        };
        let calls = calls.iter().zip(&shared).map(make).collect::<Result<_>>()?;
        Ok(Aggregates { calls, distinct, slots: 0 })
    }
    fn own(&self) -> impl Iterator<Item = &dyn Accumulator> {
        self.calls.iter().filter_map(|call| match &call.states {
            States::Own(states) => Some(&**states),
            States::Distinct(..) => None,
        })
    }
    fn own_mut(&mut self) -> impl Iterator<Item = &mut Box<dyn Accumulator>> {
        self.calls.iter_mut().filter_map(|call| match &mut call.states {
            States::Own(states) => Some(states),
            States::Distinct(..) => None,
        })
    }
    /// Makes room for slots below `slots`.
    pub fn grow(&mut self, slots: usize) {
        if slots > self.slots {
            self.slots = slots;
            self.own_mut().for_each(|states| states.grow(slots));
            self.distinct.iter_mut().for_each(|distinct| distinct.states.grow(slots));
        }
    }
    /// Adds and takes away rows of a batch. `columns` is the whole input; see [`Input`].
    ///
    /// # Errors
    /// As [`Accumulator::update`].
    pub fn update(
        &mut self,
        columns: &[ArrayRef],
        rows: &[u32],
        slots: &[Slot],
        retract: Option<&[bool]>,
    ) -> Result<()> {
        let arguments = |args: &[usize]| {
            args.iter().map(|i| column(columns, *i).cloned()).collect::<Result<Vec<_>>>()
        };
        for call in &mut self.calls {
            let States::Own(states) = &mut call.states else { continue };
            let args = arguments(&call.args)?;
            let Some(filter) = call.filter else {
                states.update(&Input { args: &args, rows, slots, retract })?;
                continue;
            };
            let filter = filter_of(columns, filter)?;
            let (mut kept, mut kept_slots) = (Vec::new(), Vec::new());
            let mut kept_retract = retract.map(|_| Vec::new());
            for (i, (row, slot)) in rows.iter().zip(slots).enumerate() {
                if filter.is_valid(*row as usize) && filter.value(*row as usize) {
                    kept.push(*row);
                    kept_slots.push(*slot);
                    if let (Some(kept), Some(retract)) = (&mut kept_retract, retract) {
                        kept.push(retract[i]);
                    }
                }
            }
            states.update(&Input {
                args: &args,
                rows: &kept,
                slots: &kept_slots,
                retract: kept_retract.as_deref(),
            })?;
        }
        for distinct in &mut self.distinct {
            let mut wanted = vec![0u64; rows.len()];
            for (nth, filter) in distinct.filters.iter().enumerate() {
                let Some(filter) = filter else {
                    wanted.iter_mut().for_each(|wanted| *wanted |= 1 << nth);
                    continue;
                };
                let filter = filter_of(columns, *filter)?;
                for (wanted, row) in wanted.iter_mut().zip(rows) {
                    let row = *row as usize;
                    *wanted |= u64::from(filter.is_valid(row) && filter.value(row)) << nth;
                }
            }
            distinct.states.update(&arguments(&distinct.args)?, rows, slots, &wanted)?;
        }
        Ok(())
    }
    /// Adds what slot `from` holds to slot `into`.
    ///
    /// # Errors
    /// As [`Accumulator::merge`].
    pub fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        self.distinct.iter_mut().for_each(|distinct| distinct.states.merge(into, from));
        self.own_mut().try_for_each(|states| states.merge(into, from))
    }
    /// The result columns of some slots, one column a call.
    ///
    /// # Errors
    /// As [`Accumulator::results`].
    pub fn results(&self, slots: &[Slot]) -> Result<Vec<ArrayRef>> {
        let of = |call: &Call| match &call.states {
            States::Own(states) => states.results(slots),
            States::Distinct(table, nth) => Ok(self.distinct[*table].states.results(*nth, slots)),
        };
        self.calls.iter().map(of).collect()
    }
    /// Empties a slot.
    pub fn clear(&mut self, slot: Slot) {
        self.own_mut().for_each(|states| states.clear(slot));
        self.distinct.iter_mut().for_each(|distinct| distinct.states.clear(slot));
    }
    /// Appends what a slot holds.
    ///
    /// # Errors
    /// As [`Accumulator::write`].
    pub fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        self.own().try_for_each(|states| states.write(slot, out))?;
        self.distinct.iter().for_each(|distinct| distinct.states.write(slot, out));
        Ok(())
    }
    /// Fills an empty slot with what [`write`](Self::write) stored.
    ///
    /// # Errors
    /// As [`Accumulator::read`].
    pub fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.grow(slot as usize + 1);
        self.own_mut().try_for_each(|states| states.read(slot, bytes))?;
        self.distinct.iter_mut().try_for_each(|distinct| distinct.states.read(slot, bytes))
    }
}

impl std::fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aggregates").field("calls", &self.calls.len()).finish()
    }
}

#[cfg(test)]
mod tests;
