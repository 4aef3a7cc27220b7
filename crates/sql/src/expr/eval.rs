//! Evaluates expressions over batches, column by column.
//!
//! A sub-expression that gives the same value for every row of the batch is computed once
//! and kept as an array of one row ([`Columnar::Scalar`]).
//!
//! Invariant: an operand that can fail ([`Expr::may_fail`]) and stands behind a condition
//! (in CASE, COALESCE, AND, OR) is computed only for the rows that reach it. Operands that
//! cannot fail are computed for the whole batch, because that is faster than masking.

use std::cell::RefCell;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use arrow_select::zip::zip;
use millstream_core::{Error, Result};

use super::{Expr, Node};
use crate::functions::{CallArgs, Volatility};
use crate::random::JavaRandom;
use crate::types::SqlType;
use crate::value::{Value, array_of};
use crate::zone::Zone;

/// What expressions may know besides their row: zone, time, randomness, names.
///
/// Times are set by the caller before each batch, from the job's clock; nothing here reads
/// one. One context belongs to one subtask.
#[derive(Debug)]
pub struct EvalContext {
    /// The session's time zone, `table.local-time-zone`.
    pub zone: Zone,
    /// Processing time of this batch in milliseconds since 1970 UTC: CURRENT_TIMESTAMP in
    /// streaming mode, PROCTIME.
    pub now_ms: i64,
    /// When the query started, in milliseconds; what CURRENT_TIMESTAMP means in batch mode.
    /// `None` in streaming mode.
    pub query_start_ms: Option<i64>,
    /// The operator's event-time watermark in milliseconds, for CURRENT_WATERMARK.
    pub watermark_ms: Option<i64>,
    /// The session's database, for CURRENT_DATABASE.
    pub database: String,
    pub(crate) random: RefCell<JavaRandom>,
    pub(crate) seeded: RefCell<Vec<(i64, JavaRandom)>>,
}

impl EvalContext {
    /// A context in `zone` at a time; `seed` starts RAND and UUID without seeds of their own.
    pub fn new(zone: Zone, now_ms: i64, seed: i64) -> Self {
        EvalContext {
            zone,
            now_ms,
            query_start_ms: None,
            watermark_ms: None,
            database: "default_database".into(),
            random: RefCell::new(JavaRandom::new(seed)),
            seeded: RefCell::new(vec![]),
        }
    }
    /// A context in UTC at the beginning of 1970, for tests and constant folding.
    pub fn utc() -> Self {
        Self::new(Zone::UTC, 0, 0)
    }
}

/// A column, or one value that stands for every row.
#[derive(Clone, Debug)]
pub enum Columnar {
    /// One entry for each row.
    Array(ArrayRef),
    /// An array of one row that holds for all.
    Scalar(ArrayRef),
}

impl Columnar {
    /// The array, which has one row if this is a scalar.
    pub fn array(&self) -> &ArrayRef {
        match self {
            Columnar::Array(array) | Columnar::Scalar(array) => array,
        }
    }
    /// Whether one value stands for all rows.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Columnar::Scalar(_))
    }
    /// The column with one entry for each of `rows` rows.
    ///
    /// # Errors
    /// Bug: the array does not have the number of rows it should.
    pub fn into_array(self, rows: usize) -> Result<ArrayRef> {
        match self {
            Columnar::Array(array) => Ok(array),
            Columnar::Scalar(array) if rows == 1 => Ok(array),
            Columnar::Scalar(array) => {
                Ok(take(&array, &UInt32Array::from(vec![0; rows]), None).map_err(arrow_bug)?)
            }
        }
    }
}

pub(crate) fn arrow_bug(e: arrow_schema::ArrowError) -> Error {
    Error::bug(format!("an Arrow kernel refused its input: {e}"))
}

/// One array with the value of `expr` for each row of `batch`.
///
/// # Errors
/// Data: a value cannot be computed (division by zero, failed cast); the error names the
/// expression. Bug: the batch does not have the columns that the expression was bound to.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Int32Array, RecordBatch, cast::AsArray, types::Int32Type};
/// use millstream_sql::{expr::{EvalContext, Expr, evaluate}, functions::Registry, types::SqlType};
/// let column: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
/// let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
/// let expr = Registry::builtin()
///     .call("+", vec![Expr::column(0, SqlType::int()), Expr::int(1)]).unwrap();
/// let sum = evaluate(&expr, &batch, &EvalContext::utc()).unwrap();
/// assert_eq!(sum.as_primitive::<Int32Type>(), &Int32Array::from(vec![Some(2), None]));
/// ```
pub fn evaluate(expr: &Expr, batch: &RecordBatch, context: &EvalContext) -> Result<ArrayRef> {
    evaluate_columns(expr, batch.columns(), batch.num_rows(), context)
}

/// The columns of several expressions over one batch.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_all(
    exprs: &[Expr],
    batch: &RecordBatch,
    context: &EvalContext,
) -> Result<Vec<ArrayRef>> {
    exprs.iter().map(|expr| evaluate(expr, batch, context)).collect()
}

/// As [`evaluate`], for columns that are in no batch; `rows` is their length.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_columns(
    expr: &Expr,
    columns: &[ArrayRef],
    rows: usize,
    context: &EvalContext,
) -> Result<ArrayRef> {
    eval(expr, &Input { columns, rows }, context)?.into_array(rows)
}

/// Which rows a condition keeps: TRUE stays TRUE, FALSE and NULL become FALSE.
///
/// # Errors
/// As [`evaluate`]; Bug if the expression is not BOOLEAN.
pub fn evaluate_filter(
    condition: &Expr,
    batch: &RecordBatch,
    context: &EvalContext,
) -> Result<BooleanArray> {
    evaluate_filter_columns(condition, batch.columns(), batch.num_rows(), context)
}

/// As [`evaluate_filter`], for columns that are in no batch; `rows` is their length.
///
/// # Errors
/// As [`evaluate_filter`].
pub(crate) fn evaluate_filter_columns(
    condition: &Expr,
    columns: &[ArrayRef],
    rows: usize,
    context: &EvalContext,
) -> Result<BooleanArray> {
    let array = evaluate_columns(condition, columns, rows, context)?;
    let array = array
        .as_boolean_opt()
        .ok_or_else(|| crate::value::wrong_array(&array, &SqlType::boolean()))?;
    Ok(BooleanArray::new(true_rows(array), None))
}

/// The rows an expression is computed for.
struct Input<'a> {
    columns: &'a [ArrayRef],
    rows: usize,
}

fn eval(expr: &Expr, input: &Input<'_>, context: &EvalContext) -> Result<Columnar> {
    match &expr.node {
        Node::Column(i) => match input.columns.get(*i) {
            Some(column) => Ok(Columnar::Array(column.clone())),
            None => Err(Error::bug(format!(
                "column {i} of an input with {} columns",
                input.columns.len()
            ))),
        },
        Node::Literal(value) => Ok(Columnar::Scalar(array_of([value], &expr.ty)?)),
        Node::Call(call) => {
            let args = call
                .args
                .iter()
                .map(|arg| eval(arg, input, context))
                .collect::<Result<Vec<_>>>()?;
            let once = call.function.volatility() != Volatility::PerRow
                && args.iter().all(Columnar::is_scalar);
            let rows = if once { 1 } else { input.rows };
            let args =
                CallArgs { columns: &args, exprs: &call.args, result: &expr.ty, rows, context };
            let array = call.function.evaluate(&args).map_err(|e| located(e, expr))?;
            if array.len() != rows {
                return Err(located(
                    Error::user(format!("gave {} values for {rows} rows", array.len())),
                    expr,
                ));
            }
            Ok(if once { Columnar::Scalar(array) } else { Columnar::Array(array) })
        }
        Node::Cast { input: inner, try_cast } => {
            let value = eval(inner, input, context)?;
            let array =
                crate::cast::cast(value.array(), &inner.ty, &expr.ty, *try_cast, &context.zone)
                    .map_err(|e| located(e, expr))?;
            Ok(match value {
                Columnar::Array(_) => Columnar::Array(array),
                Columnar::Scalar(_) => Columnar::Scalar(array),
            })
        }
        Node::Case { branches, otherwise } => case(branches, otherwise, input, context),
        Node::And(all) => logic(all, true, input, context),
        Node::Or(any) => logic(any, false, input, context),
        Node::Coalesce(all) => coalesce(all, input, context),
        Node::Field { row, index } => {
            let value = eval(row, input, context)?;
            let rows = value
                .array()
                .as_struct_opt()
                .ok_or_else(|| crate::value::wrong_array(value.array(), &row.ty))?;
            let column = rows
                .columns()
                .get(*index)
                .ok_or_else(|| Error::bug(format!("field {index} of {}", row.ty)))?;
            // A field of a NULL row is NULL, whatever the child array holds there.
            let field = match rows.nulls() {
                Some(nulls) if nulls.null_count() > 0 => {
                    let nulls = arrow_buffer::NullBuffer::union(Some(nulls), column.nulls());
                    let data = column.to_data().into_builder().nulls(nulls);
                    arrow_array::make_array(data.build().map_err(arrow_bug)?)
                }
                _ => column.clone(),
            };
            Ok(match value {
                Columnar::Array(_) => Columnar::Array(field),
                Columnar::Scalar(_) => Columnar::Scalar(field),
            })
        }
    }
}

fn located(error: Error, expr: &Expr) -> Error {
    if error.has_place() { error } else { error.at(format!("expression {expr}")) }
}

/// TRUE where the array is TRUE; FALSE where it is FALSE or NULL.
fn true_rows(array: &BooleanArray) -> BooleanBuffer {
    match array.nulls() {
        Some(nulls) => array.values() & nulls.inner(),
        None => array.values().clone(),
    }
}

fn boolean(value: Columnar, rows: usize) -> Result<BooleanArray> {
    let array = value.into_array(rows)?;
    array
        .as_boolean_opt()
        .cloned()
        .ok_or_else(|| crate::value::wrong_array(&array, &SqlType::boolean()))
}

/// Evaluates `expr` for the chosen rows only; the result has one entry for each of them.
fn eval_rows(
    expr: &Expr,
    input: &Input<'_>,
    chosen: &UInt32Array,
    context: &EvalContext,
) -> Result<ArrayRef> {
    let rows = chosen.len();
    if rows == input.rows {
        return eval(expr, input, context)?.into_array(rows);
    }
    // Only the columns that the expression reads are gathered; no one looks at the others.
    let mut columns = input.columns.to_vec();
    for i in expr.columns() {
        if let Some(column) = columns.get_mut(i) {
            *column = take(column, chosen, None).map_err(arrow_bug)?;
        }
    }
    eval(expr, &Input { columns: &columns, rows }, context)?.into_array(rows)
}

fn case(
    branches: &[(Expr, Expr)],
    otherwise: &Expr,
    input: &Input<'_>,
    context: &EvalContext,
) -> Result<Columnar> {
    let guarded = branches.iter().skip(1).any(|(condition, _)| condition.may_fail())
        || branches.iter().any(|(_, result)| result.may_fail())
        || otherwise.may_fail();
    if !guarded {
        let mut result = eval(otherwise, input, context)?;
        for (condition, value) in branches.iter().rev() {
            let condition = eval(condition, input, context)?;
            let value = eval(value, input, context)?;
            result = choose(condition, value, result, input.rows)?;
        }
        return Ok(result);
    }
    let mut pieces = Pieces::new(input.rows);
    let mut remaining = all_rows(input.rows);
    for (condition, result) in branches {
        if remaining.is_empty() {
            break;
        }
        let holds = eval_rows(condition, input, &remaining, context)?;
        let holds = boolean(Columnar::Array(holds), remaining.len())?;
        let (yes, no) = split(&remaining, &true_rows(&holds));
        if !yes.is_empty() {
            pieces.add(eval_rows(result, input, &yes, context)?, &yes);
        }
        remaining = no;
    }
    if !remaining.is_empty() {
        pieces.add(eval_rows(otherwise, input, &remaining, context)?, &remaining);
    }
    pieces.finish(&otherwise.ty).map(Columnar::Array)
}

fn coalesce(all: &[Expr], input: &Input<'_>, context: &EvalContext) -> Result<Columnar> {
    let Some((first, rest)) = all.split_first() else {
        return Err(Error::bug("COALESCE of nothing"));
    };
    let mut result = eval(first, input, context)?;
    for (i, next) in rest.iter().enumerate() {
        if result.array().null_count() == 0 && !result.array().data_type().is_null() {
            break;
        }
        let is_null = is_null_array(result.array());
        if next.may_fail() {
            let current = result.into_array(input.rows)?;
            let is_null = is_null_array(&current);
            let (open, done) = split(&all_rows(input.rows), is_null.values());
            let mut pieces = Pieces::new(input.rows);
            pieces.add(take(&current, &done, None).map_err(arrow_bug)?, &done);
            pieces.add(eval_rows(next, input, &open, context)?, &open);
            result = Columnar::Array(pieces.finish(&all[i + 1].ty)?);
        } else {
            let condition = match &result {
                Columnar::Array(_) => Columnar::Array(Arc::new(is_null)),
                Columnar::Scalar(_) => Columnar::Scalar(Arc::new(is_null)),
            };
            let next = eval(next, input, context)?;
            result = choose(condition, next, result, input.rows)?;
        }
    }
    Ok(result)
}

fn is_null_array(array: &dyn Array) -> BooleanArray {
    let rows = array.len();
    let nulls = match array.logical_nulls() {
        Some(nulls) => !nulls.inner(),
        None => BooleanBuffer::new_unset(rows),
    };
    BooleanArray::new(nulls, None)
}

/// `yes` where the condition is TRUE, else `no`.
fn choose(condition: Columnar, yes: Columnar, no: Columnar, rows: usize) -> Result<Columnar> {
    if let Columnar::Scalar(array) = &condition {
        let holds = true_rows(array.as_boolean()).value(0);
        return Ok(if holds { yes } else { no });
    }
    let condition = boolean(condition, rows)?;
    let mask = BooleanArray::new(true_rows(&condition), None);
    if yes.array().data_type().is_null() && no.array().data_type().is_null() {
        return Ok(no);
    }
    let array = match (&yes, &no) {
        (Columnar::Array(a), Columnar::Array(b)) => zip(&mask, a, b),
        (Columnar::Scalar(a), Columnar::Array(b)) => {
            zip(&mask, &arrow_array::Scalar::new(a.clone()), b)
        }
        (Columnar::Array(a), Columnar::Scalar(b)) => {
            zip(&mask, a, &arrow_array::Scalar::new(b.clone()))
        }
        (Columnar::Scalar(a), Columnar::Scalar(b)) => {
            zip(&mask, &arrow_array::Scalar::new(a.clone()), &arrow_array::Scalar::new(b.clone()))
        }
    };
    array.map(Columnar::Array).map_err(arrow_bug)
}

/// AND (`is_and`) or OR over all operands, from left to right.
fn logic(
    operands: &[Expr],
    is_and: bool,
    input: &Input<'_>,
    context: &EvalContext,
) -> Result<Columnar> {
    let mut result: Option<BooleanArray> = None;
    for operand in operands {
        let Some(so_far) = result else {
            result = Some(boolean(eval(operand, input, context)?, input.rows)?);
            continue;
        };
        // The rows that this operand can still change: not FALSE for AND, not TRUE for OR.
        let decided = if is_and {
            let values = !so_far.values();
            match so_far.nulls() {
                Some(nulls) => &values & nulls.inner(),
                None => values,
            }
        } else {
            true_rows(&so_far)
        };
        if decided.count_set_bits() == input.rows {
            return Ok(Columnar::Array(Arc::new(so_far)));
        }
        let next = if operand.may_fail() && decided.count_set_bits() > 0 {
            let (done, open) = split(&all_rows(input.rows), &decided);
            let mut pieces = Pieces::new(input.rows);
            let neutral: ArrayRef = Arc::new(BooleanArray::from(vec![is_and; done.len()]));
            pieces.add(neutral, &done);
            pieces.add(eval_rows(operand, input, &open, context)?, &open);
            boolean(Columnar::Array(pieces.finish(&SqlType::boolean())?), input.rows)?
        } else {
            boolean(eval(operand, input, context)?, input.rows)?
        };
        let kernel =
            if is_and { arrow_arith::boolean::and_kleene } else { arrow_arith::boolean::or_kleene };
        result = Some(kernel(&so_far, &next).map_err(arrow_bug)?);
    }
    match result {
        Some(array) => Ok(Columnar::Array(Arc::new(array))),
        None => Err(Error::bug("AND or OR of nothing")),
    }
}

fn all_rows(rows: usize) -> UInt32Array {
    UInt32Array::from_iter_values(0..rows as u32)
}

/// The rows whose bit is set, and the others.
fn split(rows: &UInt32Array, bits: &BooleanBuffer) -> (UInt32Array, UInt32Array) {
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for (i, row) in rows.values().iter().enumerate() {
        if bits.value(i) { yes.push(*row) } else { no.push(*row) }
    }
    (yes.into(), no.into())
}

/// Results of disjoint sets of rows, put together in row order.
struct Pieces {
    arrays: Vec<ArrayRef>,
    places: Vec<(usize, usize)>,
}

impl Pieces {
    fn new(rows: usize) -> Self {
        Pieces { arrays: vec![], places: vec![(0, 0); rows] }
    }
    fn add(&mut self, array: ArrayRef, rows: &UInt32Array) {
        if rows.is_empty() {
            return;
        }
        for (i, row) in rows.values().iter().enumerate() {
            self.places[*row as usize] = (self.arrays.len(), i);
        }
        self.arrays.push(array);
    }
    fn finish(self, ty: &SqlType) -> Result<ArrayRef> {
        match &self.arrays[..] {
            [] => array_of(std::iter::empty::<&Value>(), ty),
            [only] => Ok(only.clone()),
            many => {
                let arrays: Vec<&dyn Array> = many.iter().map(|a| a.as_ref()).collect();
                interleave(&arrays, &self.places).map_err(arrow_bug)
            }
        }
    }
}
