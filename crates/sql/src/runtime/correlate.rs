//! UNNEST and table functions: each row beside the rows that a function makes of it.
//!
//! Stateless. Results keep the change kind of their row; a row without results is dropped, or
//! padded with NULL in the LEFT form. UNNEST of an array of ROW drops elements that are NULL,
//! of an array of anything else it keeps them, as in Flink.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use millstream_core::{Error, Result};
use millstream_runtime::{Operator, Output};

use super::ChangeBatch;
use super::agg::native::array_of_integers;
use super::agg::user::{TableFunction, UserFunctions, values_in_row};
use super::change_batch::arrow_bug;
use super::join::{evaluate, pick};
use super::spec::{CorrelateSpec, Correlation};
use crate::value::{Value, array_of};

/// The operator of [`CorrelateSpec`].
pub struct Correlate {
    spec: CorrelateSpec,
    function: Option<Arc<dyn TableFunction>>,
}

/// What a function made of a batch.
struct Results {
    /// The row of the batch that each result belongs to, ascending.
    rows: Vec<u32>,
    columns: Vec<ArrayRef>,
    /// The position of each result within its row, from 1.
    positions: Vec<i64>,
}

impl Correlate {
    /// With these functions of the user's own.
    ///
    /// # Errors
    /// Configuration: the table function is not registered.
    pub fn new(spec: CorrelateSpec, functions: &UserFunctions) -> Result<Self> {
        let function = match &spec.correlation {
            Correlation::Function { name, .. } => Some(functions.table(name)?),
            Correlation::Unnest { .. } => None,
        };
        Ok(Correlate { spec, function })
    }
    fn results(&self, batch: &ChangeBatch) -> Result<Results> {
        match (&self.spec.correlation, &self.function) {
            (Correlation::Unnest { column, multiset, .. }, _) => {
                unnest(batch.column(*column)?, *multiset)
            }
            (Correlation::Function { args, .. }, Some(function)) => {
                call(function.as_ref(), &batch.columns(args)?, batch.len())
            }
            _ => Err(Error::bug("a table function that was not looked up")),
        }
    }
}

fn unnest(column: &ArrayRef, multiset: bool) -> Result<Results> {
    let (offsets, elements): (&[i32], Vec<ArrayRef>) = match column.data_type() {
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            (list.value_offsets(), vec![list.values().clone()])
        }
        DataType::Map(..) => {
            let map = column.as_map();
            (map.value_offsets(), vec![map.keys().clone(), map.values().clone()])
        }
        other => return Err(Error::bug(format!("UNNEST of {other}"))),
    };
    // Rows are flattened to their fields; a NULL among them gives nothing.
    let flattens =
        matches!(elements[0].data_type(), DataType::Struct(_)) && (multiset || elements.len() == 1);
    let nulls = elements[0].logical_nulls().filter(|_| flattens);
    let counts = match multiset {
        true => elements.get(1).and_then(|c| c.as_any().downcast_ref::<Int32Array>()),
        false => None,
    };
    let (mut rows, mut chosen, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..column.len() {
        if column.is_null(row) {
            continue;
        }
        let mut position = 0;
        for element in offsets[row] as usize..offsets[row + 1] as usize {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(element)) {
                continue;
            }
            for _ in 0..counts.map_or(1, |counts| counts.value(element)) {
                position += 1;
                rows.push(row as u32);
                chosen.push(element as u32);
                positions.push(position);
            }
        }
    }
    let mut sources = elements;
    if multiset {
        sources.truncate(1);
    }
    if flattens {
        sources = sources[0].as_struct().columns().to_vec();
    }
    let chosen = UInt32Array::from(chosen);
    let columns = sources
        .iter()
        .map(|source| take(source, &chosen, None).map_err(arrow_bug))
        .collect::<Result<_>>()?;
    Ok(Results { rows, columns, positions })
}

fn call(function: &dyn TableFunction, args: &[ArrayRef], rows: usize) -> Result<Results> {
    let types = function.argument_types();
    let outputs = function.columns();
    let mut values: Vec<Vec<Value>> = vec![Vec::new(); outputs.len()];
    let (mut of_rows, mut positions) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let results = function.eval(&values_in_row(args, &types, row)?)?;
        for (position, result) in (1..).zip(results) {
            if result.len() != outputs.len() {
                return Err(Error::user(format!(
                    "a table function gave {} values for {} columns",
                    result.len(),
                    outputs.len()
                )));
            }
            values.iter_mut().zip(result).for_each(|(column, value)| column.push(value));
            of_rows.push(row as u32);
            positions.push(position);
        }
    }
    let columns =
        values.iter().zip(&outputs).map(|(v, (_, ty))| array_of(v, ty)).collect::<Result<_>>()?;
    Ok(Results { rows: of_rows, columns, positions })
}

impl Operator for Correlate {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let mut results = self.results(&batch)?;
        let output = &self.spec.output;
        if let Correlation::Unnest { with_ordinality: true, .. } = self.spec.correlation {
            let positions = results.positions.iter().map(|p| Some(*p)).collect();
            let data_type = output.field(output.fields().len() - 1).data_type();
            results.columns.push(array_of_integers(positions, data_type)?);
        }
        if let Some(condition) = &self.spec.condition {
            let of: Vec<Option<u32>> = results.rows.iter().map(|row| Some(*row)).collect();
            let left = pick(batch.rows().columns(), &of)?;
            let holds = evaluate(condition, output, left, results.columns.clone(), of.len())?;
            let kept = (0..of.len() as u32).filter(|at| holds[*at as usize]);
            let kept: Vec<Option<u32>> = kept.map(Some).collect();
            results.columns = pick(&results.columns, &kept)?;
            let mut holds = holds.into_iter();
            results.rows.retain(|_| holds.next() == Some(true));
        }
        // For each output row: the row of the batch, and the result beside it.
        let (mut rows, mut beside) = (Vec::new(), Vec::new());
        let mut at = 0;
        for row in 0..batch.len() as u32 {
            let from = at;
            while at < results.rows.len() && results.rows[at] == row {
                rows.push(Some(row));
                beside.push(Some(at as u32));
                at += 1;
            }
            if from == at && self.spec.outer {
                rows.push(Some(row));
                beside.push(None);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let columns = [pick(batch.rows().columns(), &rows)?, pick(&results.columns, &beside)?];
        let kinds = batch
            .kinds()
            .map(|kinds| rows.iter().flatten().map(|row| kinds[*row as usize]).collect::<Vec<_>>());
        out.emit(ChangeBatch::from_columns(output.clone(), columns.concat(), rows.len(), kinds)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("k", SqlType::int()), ("tags", SqlType::array(SqlType::string()))])
    }
    fn spec(correlation: Correlation, outer: bool, more: &[(&str, SqlType)]) -> CorrelateSpec {
        let mut columns = vec![("k", SqlType::int()), ("tags", SqlType::array(SqlType::string()))];
        columns.extend(more.iter().cloned());
        CorrelateSpec { correlation, outer, condition: None, output: schema(&columns) }
    }

    #[test]
    fn elements_come_beside_their_row_with_their_position() {
        let unnest = Correlation::Unnest { column: 1, multiset: false, with_ordinality: true };
        let more = [("tag", SqlType::string()), ("n", SqlType::int())];
        let spec = spec(unnest, true, &more);
        let mut h = Harness::new(Correlate::new(spec, &UserFunctions::default()).unwrap());
        h.push(&input(), "+I 1 a,null\n-D 2 null\n+I 3 b");
        let out =
            ["+I 1 [a,null] a 1", "+I 1 [a,null] null 2", "-D 2 null null null", "+I 3 [b] b 1"];
        assert_eq!(h.take(), out);
    }

    struct Upto;
    impl TableFunction for Upto {
        fn argument_types(&self) -> Vec<SqlType> {
            vec![SqlType::int()]
        }
        fn columns(&self) -> Vec<(String, SqlType)> {
            vec![("n".into(), SqlType::bigint())]
        }
        fn eval(&self, args: &[Value]) -> Result<Vec<Vec<Value>>> {
            let [Value::Int(n)] = args else { return Ok(vec![]) };
            Ok((1..=*n).map(|n| vec![Value::Int(n)]).collect())
        }
    }

    #[test]
    fn a_table_function_of_the_user_is_called_for_each_row() {
        let mut functions = UserFunctions::default();
        functions.register_table("upto", Upto);
        let function = |name: &str| Correlation::Function { name: name.into(), args: vec![0] };
        let make = |name| {
            Correlate::new(spec(function(name), false, &[("n", SqlType::bigint())]), &functions)
        };
        let mut h = Harness::new(make("upto").unwrap());
        h.push(&input(), "+I 2 x\n+I 0 y\n-U 1 z");
        assert_eq!(h.take(), ["+I 2 [x] 1", "+I 2 [x] 2", "-U 1 [z] 1"]);
        assert!(make("nope").is_err());
    }
}
