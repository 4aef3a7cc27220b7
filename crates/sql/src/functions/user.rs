//! Scalar functions of the user's own, in Rust.

use arrow_array::ArrayRef;
use millstream_core::{Error, Result};

use super::{CallArgs, FunctionRef, call_expr};
use crate::coercion::implicitly_casts;
use crate::expr::Expr;
use crate::types::SqlType;
use crate::value::{Value, array_of, value_at};

/// A function from values of a row to one value, registered by name.
///
/// It works on columns. [`from_rows`] makes one of a closure over single values.
///
/// ```
/// use std::sync::Arc;
/// use millstream_sql::expr::{EvalContext, Expr, evaluate_columns};
/// use millstream_sql::functions::{Registry, user::from_rows};
/// use millstream_sql::types::SqlType;
/// use millstream_sql::value::{Value, value_at};
///
/// let double = from_rows([SqlType::bigint()], SqlType::bigint(), |args| match &args[0] {
///     Value::Int(n) => Ok(Value::Int(n * 2)),
///     _ => Ok(Value::Null),
/// });
/// let mut registry = Registry::new();
/// registry.register("DOUBLE_IT", Arc::new(double));
/// let call = registry.call("double_it", vec![Expr::int(21)]).unwrap();
/// let array = evaluate_columns(&call, &[], 1, &EvalContext::utc()).unwrap();
/// assert_eq!(value_at(&array, &call.ty, 0).unwrap(), Value::Int(42));
/// ```
pub trait ScalarFunction: Send + Sync {
    /// Types of the arguments; calls with other types are refused or cast implicitly.
    fn argument_types(&self) -> Vec<SqlType>;
    /// Type of the result; nullable if it can be NULL.
    fn return_type(&self) -> SqlType;
    /// The result for every row. Arguments have the Arrow types of
    /// [`argument_types`](Self::argument_types) and `rows` entries each.
    ///
    /// # Errors
    /// Whatever makes the job fail; say what to do about it.
    fn evaluate(&self, args: &[ArrayRef], rows: usize) -> Result<ArrayRef>;
    /// Whether the same arguments always give the same result; then calls with constants
    /// are computed once.
    fn is_deterministic(&self) -> bool {
        true
    }
}

/// A function of single values: `call` gets one value per argument.
pub fn from_rows(
    argument_types: impl Into<Vec<SqlType>>,
    return_type: SqlType,
    call: impl Fn(&[Value]) -> Result<Value> + Send + Sync + 'static,
) -> impl ScalarFunction {
    RowFunction { argument_types: argument_types.into(), return_type, call }
}

struct RowFunction<F> {
    argument_types: Vec<SqlType>,
    return_type: SqlType,
    call: F,
}

impl<F: Fn(&[Value]) -> Result<Value> + Send + Sync> ScalarFunction for RowFunction<F> {
    fn argument_types(&self) -> Vec<SqlType> {
        self.argument_types.clone()
    }
    fn return_type(&self) -> SqlType {
        self.return_type.clone()
    }
    fn evaluate(&self, args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let args = args
                .iter()
                .zip(&self.argument_types)
                .map(|(array, ty)| value_at(array, ty, row))
                .collect::<Result<Vec<_>>>()?;
            values.push((self.call)(&args)?);
        }
        array_of(&values, &self.return_type)
    }
}

pub(super) fn bind(
    function: FunctionRef,
    user: &dyn ScalarFunction,
    args: Vec<Expr>,
) -> Result<Expr> {
    let args = fitting(function.name(), args, user.argument_types())?;
    Ok(call_expr(function, args, user.return_type()))
}

/// The arguments of a user's function of any kind, cast to the types that it takes.
pub(crate) fn fitting(name: &str, args: Vec<Expr>, wanted: Vec<SqlType>) -> Result<Vec<Expr>> {
    let fits = wanted.len() == args.len()
        && args.iter().zip(&wanted).all(|(arg, ty)| implicitly_casts(&arg.ty, ty));
    if !fits {
        let text = |types: &mut dyn Iterator<Item = &SqlType>| {
            types.map(|t| t.base_text()).collect::<Vec<_>>().join(", ")
        };
        return Err(Error::config(format!(
            "Invalid function call: {name}({}). Supported signature: {name}({})",
            text(&mut args.iter().map(|a| &a.ty)),
            text(&mut wanted.iter()),
        )));
    }
    Ok(args.into_iter().zip(wanted).map(|(arg, ty)| arg.cast_unchecked(ty, false)).collect())
}

pub(super) fn evaluate(function: &dyn ScalarFunction, args: &CallArgs<'_>) -> Result<ArrayRef> {
    let columns = (0..args.len()).map(|i| args.array(i)).collect::<Result<Vec<_>>>()?;
    let array = function.evaluate(&columns, args.rows)?;
    if array.data_type() != &args.result.arrow() {
        return Err(Error::user(format!(
            "gave an array of {} but promised {}",
            array.data_type(),
            args.result
        ))
        .advice("return an array of the type that return_type() states"));
    }
    Ok(array)
}
