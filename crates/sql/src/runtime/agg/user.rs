//! Aggregate and table functions of the user's own, registered by name.
//!
//! They see single values ([`Value`]), which is slower than the columns that the built-in
//! functions see, and much easier to write.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use millstream_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Accumulator, Input};
use crate::runtime::spec::AggCall;
use crate::runtime::state_table::{Reader, Slot, put_delimited};
use crate::types::SqlType;
use crate::value::{Value, array_of, value_at};

/// An aggregate function (Flink's `AggregateFunction`).
///
/// ```
/// use millstream_core::Result;
/// use millstream_sql::runtime::agg::user::AggregateFunction;
/// use millstream_sql::types::SqlType;
/// use millstream_sql::value::Value;
///
/// struct WeightedAverage;
/// impl AggregateFunction for WeightedAverage {
///     type State = (i64, i64);
///     fn argument_types(&self) -> Vec<SqlType> {
///         vec![SqlType::bigint(), SqlType::bigint()]
///     }
///     fn return_type(&self) -> SqlType {
///         SqlType::bigint()
///     }
///     fn accumulate(&self, state: &mut (i64, i64), args: &[Value]) -> Result<()> {
///         if let [Value::Int(value), Value::Int(weight)] = args {
///             *state = (state.0 + value * weight, state.1 + weight);
///         }
///         Ok(())
///     }
///     fn result(&self, state: &(i64, i64)) -> Result<Value> {
///         Ok(state.0.checked_div(state.1).map_or(Value::Null, Value::Int))
///     }
/// }
/// ```
pub trait AggregateFunction: Send + Sync + 'static {
    /// What a group remembers.
    type State: Clone + Default + Serialize + DeserializeOwned + 'static;
    /// Types of the arguments; calls with other types are refused or cast implicitly.
    fn argument_types(&self) -> Vec<SqlType>;
    /// Type of the result; nullable if it can be NULL.
    fn return_type(&self) -> SqlType;
    /// Whether [`retract`](Self::retract) is implemented. Without it, calls over updating
    /// inputs and in bounded OVER windows are refused before the job starts.
    fn can_retract(&self) -> bool {
        false
    }
    /// Adds a row.
    ///
    /// # Errors
    /// Ends the job.
    fn accumulate(&self, state: &mut Self::State, args: &[Value]) -> Result<()>;
    /// Takes a row away. Needed over updating inputs and in bounded OVER windows.
    ///
    /// # Errors
    /// Ends the job; so does a function that does not implement it.
    /// Answer TRUE from [`can_retract`](Self::can_retract) with it.
    fn retract(&self, _state: &mut Self::State, _args: &[Value]) -> Result<()> {
        Err(Error::user("this aggregate function cannot take rows away")
            .advice("implement AggregateFunction::retract"))
    }
    /// Adds what another group remembers. Needed in HOP, CUMULATE and SESSION windows.
    ///
    /// # Errors
    /// Ends the job; so does a function that does not implement it.
    fn merge(&self, _into: &mut Self::State, _from: &Self::State) -> Result<()> {
        Err(Error::user("this aggregate function cannot merge groups")
            .advice("implement AggregateFunction::merge"))
    }
    /// The result, in the type that the function was declared with.
    ///
    /// # Errors
    /// Ends the job.
    fn result(&self, state: &Self::State) -> Result<Value>;
}

/// A table function (Flink's `TableFunction`): zero or more rows for each row.
pub trait TableFunction: Send + Sync + 'static {
    /// Types of the arguments; calls with other types are refused or cast implicitly.
    fn argument_types(&self) -> Vec<SqlType>;
    /// Names and types of the columns it gives.
    fn columns(&self) -> Vec<(String, SqlType)>;
    /// The rows for these arguments, each with as many values as [`columns`](Self::columns).
    ///
    /// # Errors
    /// Ends the job.
    fn eval(&self, args: &[Value]) -> Result<Vec<Vec<Value>>>;
}

/// An [`AggregateFunction`], whatever its state is.
pub(crate) trait AnyAggregate: Send + Sync {
    fn argument_types(&self) -> Vec<SqlType>;
    fn return_type(&self) -> SqlType;
    fn can_retract(&self) -> bool;
    fn accumulator(self: Arc<Self>, call: &AggCall) -> Box<dyn Accumulator>;
}

impl<F: AggregateFunction> AnyAggregate for F {
    fn argument_types(&self) -> Vec<SqlType> {
        AggregateFunction::argument_types(self)
    }
    fn return_type(&self) -> SqlType {
        AggregateFunction::return_type(self)
    }
    fn can_retract(&self) -> bool {
        AggregateFunction::can_retract(self)
    }
    fn accumulator(self: Arc<Self>, call: &AggCall) -> Box<dyn Accumulator> {
        let (types, result) = (call.arg_types.clone(), call.result.clone());
        Box::new(UserStates { function: self, types, result, states: Vec::new() })
    }
}

/// The aggregate and table functions that a job's operators call, by name.
#[derive(Clone, Default)]
pub struct UserFunctions {
    aggregates: BTreeMap<String, Arc<dyn AnyAggregate>>,
    tables: BTreeMap<String, Arc<dyn TableFunction>>,
}

impl UserFunctions {
    /// Adds or replaces an aggregate function.
    pub fn register_aggregate<F: AggregateFunction>(&mut self, name: &str, function: F) {
        self.add_aggregate(name, Arc::new(function));
    }
    pub(crate) fn add_aggregate(&mut self, name: &str, function: Arc<dyn AnyAggregate>) {
        self.aggregates.insert(name.to_owned(), function);
    }
    /// Adds or replaces a table function.
    pub fn register_table(&mut self, name: &str, function: impl TableFunction) {
        self.add_table(name, Arc::new(function));
    }
    pub(crate) fn add_table(&mut self, name: &str, function: Arc<dyn TableFunction>) {
        self.tables.insert(name.to_owned(), function);
    }
    /// The table function of this name.
    ///
    /// # Errors
    /// Configuration: there is none.
    pub fn table(&self, name: &str) -> Result<Arc<dyn TableFunction>> {
        self.tables.get(name).cloned().ok_or_else(|| missing("table", name))
    }
    pub(super) fn accumulator(
        &self,
        name: &str,
        call: &AggCall,
        retracts: bool,
    ) -> Result<Box<dyn Accumulator>> {
        let function = self.aggregates.get(name).ok_or_else(|| missing("aggregate", name))?;
        if retracts && !function.can_retract() {
            let what = format!(
                "aggregate function '{name}' cannot take rows away, and its input does: it is \
                 updating, or the OVER window is bounded"
            );
            return Err(
                Error::config(what).advice("implement retract, and answer true from can_retract")
            );
        }
        Ok(Arc::clone(function).accumulator(call))
    }
}

fn missing(kind: &str, name: &str) -> Error {
    Error::config(format!("there is no {kind} function '{name}'"))
        .advice("register it before the statement that uses it")
}

impl fmt::Debug for UserFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserFunctions")
            .field("aggregates", &self.aggregates.keys())
            .field("tables", &self.tables.keys())
            .finish()
    }
}

/// The arguments of one row.
pub(crate) fn values_in_row(
    args: &[ArrayRef],
    types: &[SqlType],
    row: usize,
) -> Result<Vec<Value>> {
    args.iter().zip(types).map(|(column, ty)| value_at(column as &dyn Array, ty, row)).collect()
}

struct UserStates<F: AggregateFunction> {
    function: Arc<F>,
    types: Vec<SqlType>,
    result: SqlType,
    states: Vec<F::State>,
}

impl<F: AggregateFunction> Accumulator for UserStates<F> {
    fn grow(&mut self, slots: usize) {
        self.states.resize(slots, F::State::default());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        for (row, slot, retract) in input.iter() {
            let args = values_in_row(input.args, &self.types, row)?;
            let state = &mut self.states[slot];
            match retract {
                false => self.function.accumulate(state, &args)?,
                true => self.function.retract(state, &args)?,
            }
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let from = self.states[from as usize].clone();
        self.function.merge(&mut self.states[into as usize], &from)
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let of = |slot: &Slot| self.function.result(&self.states[*slot as usize]);
        let values: Vec<Value> = slots.iter().map(of).collect::<Result<_>>()?;
        array_of(&values, &self.result)
    }
    fn clear(&mut self, slot: Slot) {
        self.states[slot as usize] = F::State::default();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        put_delimited(out, &postcard::to_stdvec(&self.states[slot as usize])?);
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.states[slot as usize] = postcard::from_bytes(bytes.delimited()?)?;
        Ok(())
    }
}
