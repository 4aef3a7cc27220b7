//! Comparison, and tests for NULL and for truth.
//!
//! Floating numbers compare as in Java: NaN is equal to nothing, 0.0 is equal to -0.0.
//! Arrays, maps and rows are equal if their parts are, two NULL parts being equal.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_ord::cmp;
use arrow_schema::DataType;
use millstream_core::{Error, Result};

use super::signature::no_kernel;
use super::{CallArgs, Definition, Function, FunctionRef, Registry, Returns, call_expr};
use crate::coercion::comparison_type;
use crate::expr::{Columnar, Expr, arrow_bug};
use crate::types::{Family, SqlType, TypeKind};

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(&["="], &["any, any"], compare, |args| run(args, Op::Equal)),
    Definition::bound(&["<>", "!="], &["any, any"], compare, |args| run(args, Op::NotEqual)),
    Definition::bound(&["<"], &["any, any"], compare, |args| run(args, Op::Less)),
    Definition::bound(&["<="], &["any, any"], compare, |args| run(args, Op::LessOrEqual)),
    Definition::bound(&[">"], &["any, any"], compare, |args| run(args, Op::Greater)),
    Definition::bound(&[">="], &["any, any"], compare, |args| run(args, Op::GreaterOrEqual)),
    Definition::bound(&["IS DISTINCT FROM"], &["any, any"], distinct, |args| {
        Ok(Arc::new(not(&is_same(args)?)))
    }),
    Definition::bound(&["IS NOT DISTINCT FROM"], &["any, any"], distinct, |args| {
        Ok(Arc::new(is_same(args)?))
    }),
    Definition::bound(&["BETWEEN"], &["any, any, any"], |_, args| between(args), no_kernel),
    Definition::bound(
        &["NOT BETWEEN"],
        &["any, any, any"],
        |_, args| negate(between(args)?),
        no_kernel,
    ),
    Definition::bound(
        &["BETWEEN SYMMETRIC"],
        &["any, any, any"],
        |_, args| between_symmetric(args),
        no_kernel,
    ),
    Definition::bound(
        &["NOT BETWEEN SYMMETRIC"],
        &["any, any, any"],
        |_, args| negate(between_symmetric(args)?),
        no_kernel,
    ),
    Definition::bound(&["IN"], &["any, any.."], is_in, in_list),
    Definition::bound(
        &["NOT IN"],
        &["any, any.."],
        |_, args| negate(Registry::builtin().call("IN", args)?),
        no_kernel,
    ),
    test(&["IS NULL"], "any", |args| nulls(args, true)),
    test(&["IS NOT NULL"], "any", |args| nulls(args, false)),
    test(&["IS UNKNOWN"], "bool", |args| nulls(args, true)),
    test(&["IS NOT UNKNOWN"], "bool", |args| nulls(args, false)),
    test(&["IS TRUE"], "bool", |args| truth(args, |v| v == Some(true))),
    test(&["IS NOT TRUE"], "bool", |args| truth(args, |v| v != Some(true))),
    test(&["IS FALSE"], "bool", |args| truth(args, |v| v == Some(false))),
    test(&["IS NOT FALSE"], "bool", |args| truth(args, |v| v != Some(false))),
    Definition::new(&["NOT"], &["bool"], Returns::Type(SqlType::boolean), |args| {
        let array = args.array(0)?;
        let array = arrow_array::cast::AsArray::as_boolean(&array);
        Ok(Arc::new(arrow_arith::boolean::not(array).map_err(arrow_bug)?))
    }),
];

const fn test(
    names: &'static [&'static str],
    form: &'static str,
    kernel: super::Kernel,
) -> Definition {
    let forms: &'static [&'static str] = match form.as_bytes()[0] {
        b'a' => &["any"],
        _ => &["bool"],
    };
    Definition::new(names, forms, Returns::NotNull(SqlType::boolean), kernel)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The name of a type without its numbers, as messages of the planner have it.
fn root(ty: &SqlType) -> String {
    match ty.kind {
        TypeKind::Int => "INTEGER".into(),
        TypeKind::Char(_) => "CHAR".into(),
        TypeKind::Varchar(_) => "VARCHAR".into(),
        TypeKind::Decimal { .. } => "DECIMAL".into(),
        _ => ty.base_text(),
    }
}

/// Both sides as values of the type they are compared in.
pub(super) fn same_type(args: Vec<Expr>) -> Result<Vec<Expr>> {
    let Some(mut ty) = args.first().map(|a| a.ty.clone()) else { return Ok(args) };
    for arg in &args[1..] {
        ty = comparison_type(&ty, &arg.ty).ok_or_else(|| {
            Error::config(format!(
                "implicit type conversion between {} and {} is not supported now",
                root(&ty),
                root(&arg.ty)
            ))
            .advice("cast one side to the type of the other")
        })?;
    }
    Ok(args.into_iter().map(|a| a.cast_unchecked(ty.clone(), false)).collect())
}

/// `<`, `BETWEEN` and `IN` read text beside a number as a number; `=` does not.
fn read_numbers(args: Vec<Expr>) -> Vec<Expr> {
    let Some(number) = args.iter().find(|a| a.ty.is_numeric()).map(|a| a.ty.clone()) else {
        return args;
    };
    let read = |arg: Expr| match arg.ty.is_text() {
        true => arg.cast_unchecked(number.clone(), false),
        false => arg,
    };
    args.into_iter().map(read).collect()
}

fn is_nested(ty: &SqlType) -> bool {
    matches!(ty.family(), Family::Array | Family::Map | Family::Multiset | Family::Row)
}

fn compare(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let ordered = !matches!(function.name(), "=" | "<>");
    let args = if ordered { read_numbers(args) } else { args };
    let args = same_type(args)?;
    if let Some(arg) = args.iter().find(|a| ordered && is_nested(&a.ty)) {
        return Err(Error::config(format!(
            "Cannot apply '{}' to values of type {}",
            function.name(),
            arg.ty.base_text()
        ))
        .advice("values of this type can be compared with = and <> only"));
    }
    let nullable = args.iter().any(|a| a.ty.nullable);
    Ok(call_expr(function, args, SqlType::boolean().with_nullable(nullable)))
}

fn distinct(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    Ok(call_expr(function, same_type(args)?, SqlType::boolean().not_null()))
}

fn three(args: Vec<Expr>) -> Result<[Expr; 3]> {
    <[Expr; 3]>::try_from(args).map_err(|_| Error::bug("BETWEEN without three operands"))
}

fn between(args: Vec<Expr>) -> Result<Expr> {
    let [value, low, high] = three(args)?;
    let registry = Registry::builtin();
    Ok(Expr::and(vec![
        registry.call(">=", vec![value.clone(), low])?,
        registry.call("<=", vec![value, high])?,
    ]))
}

fn between_symmetric(args: Vec<Expr>) -> Result<Expr> {
    let [value, a, b] = three(args)?;
    Ok(Expr::or(vec![
        between(vec![value.clone(), a.clone(), b.clone()])?,
        between(vec![value, b, a])?,
    ]))
}

fn negate(expr: Expr) -> Result<Expr> {
    Registry::builtin().call("NOT", vec![expr])
}

/// Lists longer than this are looked up by hash.
const HASHED_LIST: usize = 12;

fn is_in(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let args = same_type(read_numbers(args))?;
    let nullable = args.iter().any(|a| a.ty.nullable);
    let constant = args[1..].iter().all(|a| a.as_literal().is_some());
    let hashable = args[0].ty.is_integer() || args[0].ty.is_text();
    if args.len() > HASHED_LIST && constant && hashable {
        let ty = SqlType::boolean().with_nullable(nullable);
        return Ok(call_expr(Function::native("IN", false, in_list), args, ty));
    }
    let registry = Registry::builtin();
    let (value, list) = args.split_first().ok_or_else(|| Error::bug("IN of nothing"))?;
    let tests = list
        .iter()
        .map(|item| registry.call("=", vec![value.clone(), item.clone()]))
        .collect::<Result<Vec<_>>>()?;
    Ok(Expr::or(tests))
}

fn in_list(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let mut has_null = false;
    if args.ty(0).is_text() {
        let mut set = HashSet::new();
        for i in 1..args.len() {
            match args.text(i)?.get(0) {
                Some(item) => {
                    set.insert(item);
                }
                None => has_null = true,
            }
        }
        let values = args.text(0)?;
        return args.map_booleans(|row| {
            Ok(values.get(row).and_then(|v| match set.contains(v) {
                true => Some(true),
                false if has_null => None,
                false => Some(false),
            }))
        });
    }
    let mut set = HashSet::new();
    for i in 1..args.len() {
        match args.value(i, 0)? {
            crate::value::Value::Int(item) => {
                set.insert(item);
            }
            _ => has_null = true,
        }
    }
    let array = args.array(0)?;
    let wide =
        crate::cast::cast(&array, args.ty(0), &SqlType::bigint(), false, &args.context.zone)?;
    let wide = arrow_array::cast::AsArray::as_primitive::<Int64Type>(&wide);
    args.map_booleans(|row| {
        if wide.is_null(row) {
            return Ok(None);
        }
        Ok(match set.contains(&wide.value(row)) {
            true => Some(true),
            false if has_null => None,
            false => Some(false),
        })
    })
}

fn nulls(args: &CallArgs<'_>, wanted: bool) -> Result<ArrayRef> {
    let (array, scalar) = args.raw(0)?;
    let rows = if scalar { 1 } else { args.rows };
    let bits = match array.logical_nulls() {
        Some(nulls) if wanted => !nulls.inner(),
        Some(nulls) => nulls.into_inner(),
        None if wanted => BooleanBuffer::new_unset(rows),
        None => BooleanBuffer::new_set(rows),
    };
    let array: ArrayRef = Arc::new(BooleanArray::new(bits, None));
    if scalar { Columnar::Scalar(array).into_array(args.rows) } else { Ok(array) }
}

fn truth(args: &CallArgs<'_>, holds: fn(Option<bool>) -> bool) -> Result<ArrayRef> {
    let values = args.booleans(0)?;
    let bits = BooleanBuffer::collect_bool(args.rows, |row| holds(values.get(row)));
    Ok(Arc::new(BooleanArray::new(bits, None)))
}

fn run(args: &CallArgs<'_>, op: Op) -> Result<ArrayRef> {
    Ok(Arc::new(run_boolean(args, op)?))
}

fn run_boolean(args: &CallArgs<'_>, op: Op) -> Result<BooleanArray> {
    match args.raw(0)?.0.data_type() {
        DataType::Null => Ok(BooleanArray::new_null(args.rows)),
        DataType::Float32 => floats::<Float32Type>(args, op, |a, b| a.partial_cmp(&b)),
        DataType::Float64 => floats::<Float64Type>(args, op, |a, b| a.partial_cmp(&b)),
        DataType::List(_) | DataType::Struct(_) | DataType::Map(..) => {
            let equal = |row: usize| -> Result<Option<bool>> {
                let (x, y) = (args.value(0, row)?, args.value(1, row)?);
                Ok((!x.is_null() && !y.is_null()).then(|| (x == y) == (op == Op::Equal)))
            };
            (0..args.rows).map(equal).collect()
        }
        _ => {
            let kernel = match op {
                Op::Equal => cmp::eq,
                Op::NotEqual => cmp::neq,
                Op::Less => cmp::lt,
                Op::LessOrEqual => cmp::lt_eq,
                Op::Greater => cmp::gt,
                Op::GreaterOrEqual => cmp::gt_eq,
            };
            kernel(&*args.datum(0)?, &*args.datum(1)?).map_err(arrow_bug)
        }
    }
}

fn floats<T: ArrowPrimitiveType>(
    args: &CallArgs<'_>,
    op: Op,
    compare: impl Fn(T::Native, T::Native) -> Option<std::cmp::Ordering>,
) -> Result<BooleanArray> {
    let (a, b) = (args.array(0)?, args.array(1)?);
    let a = arrow_array::cast::AsArray::as_primitive::<T>(&a);
    let b = arrow_array::cast::AsArray::as_primitive::<T>(&b);
    let (x, y) = (a.values(), b.values());
    let nan = |a, b| compare(a, a).is_none() && compare(b, b).is_none();
    let bits = BooleanBuffer::collect_bool(args.rows, |i| {
        let order = compare(x[i], y[i]);
        match op {
            // Two values without an order are both NaN, or one is: Flink's `=` compares bits.
            Op::Equal => order.map_or(nan(x[i], y[i]), std::cmp::Ordering::is_eq),
            Op::NotEqual => !order.map_or(nan(x[i], y[i]), std::cmp::Ordering::is_eq),
            Op::Less => order == Some(std::cmp::Ordering::Less),
            Op::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Op::Greater => order == Some(std::cmp::Ordering::Greater),
            Op::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    });
    Ok(BooleanArray::new(bits, NullBuffer::union(a.nulls(), b.nulls())))
}

/// Whether both are NULL or both are equal.
fn is_same(args: &CallArgs<'_>) -> Result<BooleanArray> {
    let equal = run_boolean(args, Op::Equal)?;
    let (a, b) = (args.array(0)?, args.array(1)?);
    let bits = BooleanBuffer::collect_bool(args.rows, |row| {
        let nulls = |array: &ArrayRef| array.data_type().is_null() || array.is_null(row);
        match (nulls(&a), nulls(&b)) {
            (true, true) => true,
            (false, false) => equal.value(row),
            _ => false,
        }
    });
    Ok(BooleanArray::new(bits, None))
}

fn not(array: &BooleanArray) -> BooleanArray {
    BooleanArray::new(!array.values(), array.nulls().cloned())
}
