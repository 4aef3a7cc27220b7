//! Arithmetic on numbers, intervals and times.
//!
//! Integers wrap around, as in Java; division of integers truncates and fails by zero.
//! Decimals that have too many digits become NULL. Functions of analysis work in DOUBLE.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Datum, PrimitiveArray};
use arrow_buffer::NullBuffer;
use millstream_core::{Error, Result};

use super::{CallArgs, Definition, Function, FunctionRef, Kernel, Returns, Volatility, call_expr};
use crate::coercion::{Arithmetic, arithmetic_type, as_decimal, common_type};
use crate::decimal;
use crate::expr::{Expr, Node, arrow_bug};
use crate::random::JavaRandom;
use crate::types::{Family, MAX_DECIMAL_PRECISION, SqlType, TypeKind};
use crate::value::{Value, wrong_array};

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(
        &["+"],
        &["num, num", "time, interval", "interval, time", "interval, interval"],
        add,
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["-"],
        &["num, num", "time, interval", "interval, interval", "num", "interval"],
        subtract,
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["*"],
        &["num, num", "interval, num", "num, interval"],
        multiply,
        super::signature::no_kernel,
    ),
    Definition::bound(&["/"], &["num, num", "interval, num"], divide, super::signature::no_kernel),
    Definition::bound(
        &["%", "MOD"],
        &["num, num"],
        |_, args| numeric(Arithmetic::Remainder, args),
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["NEGATE"],
        &["num", "interval"],
        |_, args| negate(args),
        super::signature::no_kernel,
    ),
    Definition::bound(&["ABS"], &["num"], same_as_argument, abs),
    Definition::bound(&["SIGN"], &["num"], same_as_argument, sign),
    Definition::bound(&["FLOOR"], &["num", "time, symbol"], floor, super::signature::no_kernel),
    Definition::bound(
        &["CEIL", "CEILING"],
        &["num", "time, symbol"],
        ceil,
        super::signature::no_kernel,
    ),
    Definition::bound(&["ROUND"], &["num, [int]"], rounded, |args| round(args, false)),
    Definition::bound(&["TRUNCATE"], &["num, [int]"], rounded, |args| round(args, true)),
    double(&["POWER", "POW"], &["double, double"], |args| binary(args, f64::powf)),
    double(&["ATAN2"], &["double, double"], |args| binary(args, f64::atan2)),
    double(&["SQRT"], &["double"], |args| unary(args, f64::sqrt)),
    double(&["LN"], &["double"], |args| unary(args, f64::ln)),
    double(&["LOG10"], &["double"], |args| unary(args, f64::log10)),
    double(&["LOG2"], &["double"], |args| unary(args, |x| x.ln() / 2_f64.ln())),
    double(&["LOG"], &["double", "double, double"], log),
    double(&["EXP"], &["double"], |args| unary(args, f64::exp)),
    double(&["SIN"], &["double"], |args| unary(args, f64::sin)),
    double(&["SINH"], &["double"], |args| unary(args, f64::sinh)),
    double(&["COS"], &["double"], |args| unary(args, f64::cos)),
    double(&["COSH"], &["double"], |args| unary(args, f64::cosh)),
    double(&["TAN"], &["double"], |args| unary(args, f64::tan)),
    double(&["TANH"], &["double"], |args| unary(args, f64::tanh)),
    double(&["COT"], &["double"], |args| unary(args, |x| 1.0 / x.tan())),
    double(&["ASIN"], &["double"], |args| unary(args, f64::asin)),
    double(&["ACOS"], &["double"], |args| unary(args, f64::acos)),
    double(&["ATAN"], &["double"], |args| unary(args, f64::atan)),
    double(&["DEGREES"], &["double"], |args| unary(args, f64::to_degrees)),
    double(&["RADIANS"], &["double"], |args| unary(args, f64::to_radians)),
    double(&["PI"], &[""], |args| constant(args, std::f64::consts::PI)),
    double(&["E"], &[""], |args| constant(args, std::f64::consts::E)),
    Definition::new(&["RAND"], &["[int]"], Returns::NotNull(SqlType::double), rand)
        .volatile(Volatility::PerRow),
    Definition::new(&["RAND_INTEGER"], &["int, [int]"], Returns::Type(SqlType::int), rand_integer)
        .volatile(Volatility::PerRow),
    Definition::new(&["UUID"], &[""], Returns::NotNull(uuid_type), uuid)
        .volatile(Volatility::PerRow),
];

fn uuid_type() -> SqlType {
    SqlType::char(36)
}

const fn double(
    names: &'static [&'static str],
    forms: &'static [&'static str],
    kernel: Kernel,
) -> Definition {
    Definition::new(names, forms, Returns::Type(SqlType::double), kernel)
}

fn two(args: Vec<Expr>) -> Result<[Expr; 2]> {
    <[Expr; 2]>::try_from(args).map_err(|_| Error::bug("an operator without two operands"))
}

fn add(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let families = (args[0].ty.family(), args[1].ty.family());
    match families {
        (Family::Numeric, _) => numeric(Arithmetic::Add, args),
        (Family::Interval, Family::Interval) => intervals("+", args),
        (Family::Interval, _) => {
            let [interval, time] = two(args)?;
            super::temporal::shift("+", time, interval)
        }
        _ => {
            let [time, interval] = two(args)?;
            super::temporal::shift("+", time, interval)
        }
    }
}

fn subtract(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    if args.len() == 1 {
        return negate(args);
    }
    match (args[0].ty.family(), args[1].ty.family()) {
        (Family::Numeric, _) => numeric(Arithmetic::Subtract, args),
        (Family::Interval, _) => intervals("-", args),
        _ => {
            let [time, interval] = two(args)?;
            super::temporal::shift("-", time, interval)
        }
    }
}

fn multiply(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    match (args[0].ty.family(), args[1].ty.family()) {
        (Family::Numeric, Family::Numeric) => numeric(Arithmetic::Multiply, args),
        (Family::Interval, _) => scaled("*", args),
        _ => {
            let [number, interval] = two(args)?;
            scaled("*", vec![interval, number])
        }
    }
}

fn divide(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    match args[0].ty.family() {
        Family::Numeric => numeric(Arithmetic::Divide, args),
        _ => scaled("/", args),
    }
}

/// Arithmetic on two numbers, brought to one type first.
fn numeric(op: Arithmetic, args: Vec<Expr>) -> Result<Expr> {
    let [a, b] = two(args)?;
    let ty = arithmetic_type(op, &a.ty, &b.ty)
        .ok_or_else(|| Error::bug("arithmetic on other things than numbers"))?;
    let name = match op {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Remainder => "MOD",
    };
    // A divisor that is a constant other than zero cannot fail.
    let zero = match b.as_literal() {
        Some(Value::Int(v)) => *v == 0,
        Some(Value::Decimal(v)) => *v == 0,
        Some(Value::Null) => false,
        _ => true,
    };
    let divides = matches!(op, Arithmetic::Divide | Arithmetic::Remainder);
    let is_decimal = |e: &Expr| matches!(e.ty.kind, TypeKind::Decimal { .. });
    if op == Arithmetic::Remainder && ty.is_integer() && (is_decimal(&a) || is_decimal(&b)) {
        // Computed as decimals; it is smaller than what it divides by, and fits its type.
        let divisor_type = as_decimal(&b.ty);
        let divisor = b.cast_unchecked(divisor_type, false);
        return Ok(numeric(op, vec![a, divisor])?.cast_unchecked(ty, false));
    }
    if let TypeKind::Decimal { scale, .. } = ty.kind {
        if is_exact(op, &a.ty, &b.ty, &ty) {
            // Both sides get the scale of the sum, so that digits stand under each other.
            let aligned = |e: Expr| {
                let own = as_decimal(&e.ty);
                let ty = match (op, &own.kind) {
                    (Arithmetic::Multiply, _) => own,
                    (_, TypeKind::Decimal { precision, scale: s }) => {
                        SqlType::decimal(precision + scale - s, scale)
                    }
                    _ => own,
                };
                e.cast_unchecked(ty, false)
            };
            // Values under a NULL may be anything, so the operators must not panic on them.
            let kernel: Kernel = match op {
                Arithmetic::Add => |args| exact_decimals(args, i128::wrapping_add),
                Arithmetic::Subtract => |args| exact_decimals(args, i128::wrapping_sub),
                _ => |args| exact_decimals(args, i128::wrapping_mul),
            };
            let args = vec![aligned(a), aligned(b)];
            return Ok(call_expr(Function::native(name, false, kernel), args, ty));
        }
        let kernel: Kernel = match op {
            Arithmetic::Add => {
                |args| decimals(args, |a, s, b, t, p, q| Ok(decimal::add(a, s, b, t, p, q)))
            }
            Arithmetic::Subtract => {
                |args| decimals(args, |a, s, b, t, p, q| Ok(decimal::add(a, s, -b, t, p, q)))
            }
            Arithmetic::Multiply => {
                |args| decimals(args, |a, s, b, t, p, q| Ok(decimal::multiply(a, b, s + t, p, q)))
            }
            Arithmetic::Divide => |args| {
                decimals(args, |a, s, b, t, p, q| match (a, b) {
                    (0, 0) => Err(Error::data("Division undefined")),
                    (_, 0) => Err(Error::data("Division by zero")),
                    _ => Ok(decimal::divide(a, s, b, t, p, q)),
                })
            },
            Arithmetic::Remainder => |args| {
                decimals(args, |a, s, b, t, p, q| match b {
                    0 => Err(Error::data("Division by zero")),
                    _ => Ok(decimal::remainder(a, s, b, t, p, q)),
                })
            },
        };
        let function = Function::native(name, divides && zero, kernel);
        let decimal = |e: Expr| {
            let ty = as_decimal(&e.ty);
            e.cast_unchecked(ty, false)
        };
        return Ok(call_expr(function, vec![decimal(a), decimal(b)], ty));
    }
    let work = common_type([&a.ty, &b.ty]).ok_or_else(|| Error::bug("numbers without a type"))?;
    let kernel: Kernel = match op {
        Arithmetic::Add => |args| arrow(args, arrow_arith::numeric::add_wrapping),
        Arithmetic::Subtract => |args| arrow(args, arrow_arith::numeric::sub_wrapping),
        Arithmetic::Multiply => |args| arrow(args, arrow_arith::numeric::mul_wrapping),
        Arithmetic::Divide => |args| division(args, false),
        Arithmetic::Remainder => |args| division(args, true),
    };
    let function = Function::native(name, divides && zero && work.is_integer(), kernel);
    let args = vec![a.cast_unchecked(work.clone(), false), b.cast_unchecked(work.clone(), false)];
    let call = call_expr(function, args, work.with_nullable(ty.nullable));
    Ok(call.cast_unchecked(ty, false))
}

type ArrowKernel = fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, arrow_schema::ArrowError>;

fn arrow(args: &CallArgs<'_>, kernel: ArrowKernel) -> Result<ArrayRef> {
    kernel(&*args.datum(0)?, &*args.datum(1)?).map_err(arrow_bug)
}

fn by_zero() -> Error {
    Error::data("/ by zero").advice("test the divisor with CASE or NULLIF")
}

fn division(args: &CallArgs<'_>, rest: bool) -> Result<ArrayRef> {
    macro_rules! ints {
        ($t:ty) => {
            if rest {
                each::<$t>(args, |a, b| if b == 0 { Err(by_zero()) } else { Ok(a.wrapping_rem(b)) })
            } else {
                each::<$t>(args, |a, b| if b == 0 { Err(by_zero()) } else { Ok(a.wrapping_div(b)) })
            }
        };
    }
    macro_rules! floats {
        ($t:ty) => {
            if rest {
                each::<$t>(args, |a, b| Ok(a % b))
            } else {
                each::<$t>(args, |a, b| Ok(a / b))
            }
        };
    }
    match args.result.kind {
        TypeKind::TinyInt => ints!(Int8Type),
        TypeKind::SmallInt => ints!(Int16Type),
        TypeKind::Int => ints!(Int32Type),
        TypeKind::BigInt => ints!(Int64Type),
        TypeKind::Float => floats!(Float32Type),
        _ => floats!(Float64Type),
    }
}

/// `op` on the rows where neither side is NULL.
fn each<T: ArrowPrimitiveType>(
    args: &CallArgs<'_>,
    op: impl Fn(T::Native, T::Native) -> Result<T::Native>,
) -> Result<ArrayRef> {
    let (a, b) = (args.numbers::<T>(0)?, args.numbers::<T>(1)?);
    if let (false, true, Some(divisor)) = (a.is_scalar(), b.is_scalar(), b.get(0)) {
        // The usual case, column by constant, is one pass over the values.
        let result = a.array().try_unary::<_, T, Error>(|v| op(v, divisor))?;
        return Ok(Arc::new(result.with_data_type(args.result.arrow())));
    }
    args.map_numbers::<T>(|row| match (a.get(row), b.get(row)) {
        (Some(a), Some(b)) => op(a, b).map(Some),
        _ => Ok(None),
    })
}

fn decimals(
    args: &CallArgs<'_>,
    op: impl Fn(i128, u8, i128, u8, u8, u8) -> Result<Option<i128>>,
) -> Result<ArrayRef> {
    let scale = |ty: &SqlType| match ty.kind {
        TypeKind::Decimal { scale, .. } => scale,
        _ => 0,
    };
    let TypeKind::Decimal { precision: p, scale: q } = args.result.kind else {
        return Err(Error::bug("decimal arithmetic with another result"));
    };
    let (s, t) = (scale(args.ty(0)), scale(args.ty(1)));
    let (a, b) = (args.numbers::<Decimal128Type>(0)?, args.numbers::<Decimal128Type>(1)?);
    args.map_numbers::<Decimal128Type>(|row| match (a.get(row), b.get(row)) {
        (Some(a), Some(b)) => op(a, s, b, t, p, q),
        _ => Ok(None),
    })
}

/// Whether no result of `op` can have too many digits or must be rounded: the type was not
/// cut to 38 digits. Then plain integers do.
fn is_exact(op: Arithmetic, a: &SqlType, b: &SqlType, result: &SqlType) -> bool {
    let digits = |ty: &SqlType| match as_decimal(ty).kind {
        TypeKind::Decimal { precision, scale } => (i32::from(precision), i32::from(scale)),
        _ => (0, 0),
    };
    let ((p, s), (q, t), (precision, scale)) = (digits(a), digits(b), digits(result));
    match op {
        Arithmetic::Add | Arithmetic::Subtract => {
            scale == s.max(t) && precision == (p - s).max(q - t) + scale + 1
        }
        Arithmetic::Multiply => scale == s + t && precision == p + q + 1,
        _ => false,
    }
}

fn exact_decimals(args: &CallArgs<'_>, op: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let (a, b) = (args.numbers::<Decimal128Type>(0)?, args.numbers::<Decimal128Type>(1)?);
    let ty = args.result.arrow();
    let one_sided = |column: &PrimitiveArray<Decimal128Type>, f: &dyn Fn(i128) -> i128| {
        let out = column.unary::<_, Decimal128Type>(f);
        Arc::new(out.with_data_type(ty.clone())) as ArrayRef
    };
    match (
        a.is_scalar(),
        b.is_scalar(),
        a.get(0).filter(|_| a.is_scalar()),
        b.get(0).filter(|_| b.is_scalar()),
    ) {
        (true, false, Some(x), _) => Ok(one_sided(b.array(), &|y| op(x, y))),
        (false, true, _, Some(y)) => Ok(one_sided(a.array(), &|x| op(x, y))),
        (false, false, ..) => {
            let (x, y) = (a.array(), b.array());
            let values = x.values().iter().zip(y.values()).map(|(x, y)| op(*x, *y)).collect();
            let nulls = NullBuffer::union(x.nulls(), y.nulls());
            Ok(Arc::new(PrimitiveArray::<Decimal128Type>::new(values, nulls).with_data_type(ty)))
        }
        _ => args.map_numbers::<Decimal128Type>(|row| {
            Ok(a.get(row).zip(b.get(row)).map(|(a, b)| op(a, b)))
        }),
    }
}

/// The negation of a number or an interval.
fn negate(args: Vec<Expr>) -> Result<Expr> {
    let ty = args[0].ty.clone().without_attribute();
    // The limit of a type has no counterpart, so a literal is negated as a number, not text.
    let literal = match &args[0].node {
        Node::Literal(Value::Int(v)) => v.checked_neg().map(Value::Int),
        Node::Literal(Value::Decimal(v)) => Some(Value::Decimal(-v)),
        Node::Literal(Value::Float(v)) => Some(Value::Float(-v)),
        Node::Literal(Value::Interval(v)) => Some(Value::Interval(-v)),
        _ => None,
    };
    if let Some(value) = literal {
        return Ok(Expr { node: Node::Literal(value), ty });
    }
    let kernel: Kernel = |args| {
        let array = args.array(0)?;
        match args.result.kind {
            TypeKind::IntervalYearMonth => {
                let array = array
                    .as_primitive_opt::<IntervalYearMonthType>()
                    .ok_or_else(|| wrong_array(&array, args.result))?;
                Ok(Arc::new(array.unary::<_, IntervalYearMonthType>(i32::wrapping_neg)))
            }
            TypeKind::IntervalDaySecond => {
                let array = array
                    .as_primitive_opt::<DurationMillisecondType>()
                    .ok_or_else(|| wrong_array(&array, args.result))?;
                Ok(Arc::new(array.unary::<_, DurationMillisecondType>(i64::wrapping_neg)))
            }
            _ => arrow_arith::numeric::neg_wrapping(&array).map_err(arrow_bug),
        }
    };
    Ok(call_expr(Function::native("-", false, kernel), args, ty))
}

fn intervals(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let [a, b] = two(args)?;
    if a.ty.kind != b.ty.kind {
        return Err(Error::config(format!(
            "Cannot apply '{name}' to an interval of months and one of days to seconds"
        )));
    }
    let ty = a.ty.clone().with_nullable(a.ty.nullable || b.ty.nullable);
    let kernel: Kernel = if name == "+" {
        |args| interval_pairs(args, i64::wrapping_add)
    } else {
        |args| interval_pairs(args, i64::wrapping_sub)
    };
    Ok(call_expr(Function::native(name, false, kernel), vec![a, b], ty))
}

/// Reads either kind of interval as a number.
pub(super) fn interval_at(args: &CallArgs<'_>, i: usize, row: usize) -> Result<Option<i64>> {
    Ok(match args.ty(i).kind {
        TypeKind::IntervalYearMonth => {
            args.numbers::<IntervalYearMonthType>(i)?.get(row).map(i64::from)
        }
        _ => args.numbers::<DurationMillisecondType>(i)?.get(row),
    })
}

fn interval_result(
    args: &CallArgs<'_>,
    mut make: impl FnMut(usize) -> Result<Option<i64>>,
) -> Result<ArrayRef> {
    match args.result.kind {
        TypeKind::IntervalYearMonth => {
            args.map_numbers::<IntervalYearMonthType>(|row| Ok(make(row)?.map(|v| v as i32)))
        }
        _ => args.map_numbers::<DurationMillisecondType>(make),
    }
}

fn interval_pairs(args: &CallArgs<'_>, op: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    interval_result(args, |row| {
        Ok(match (interval_at(args, 0, row)?, interval_at(args, 1, row)?) {
            (Some(a), Some(b)) => Some(op(a, b)),
            _ => None,
        })
    })
}

/// An interval times or divided by a number.
fn scaled(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let [interval, number] = two(args)?;
    let ty = interval.ty.clone().with_nullable(interval.ty.nullable || number.ty.nullable);
    let exact = number.ty.is_integer();
    let number =
        number.cast_unchecked(if exact { SqlType::bigint() } else { SqlType::double() }, false);
    let kernel: Kernel = match (name, exact) {
        ("*", true) => |args| {
            let number = args.bigints(1)?;
            interval_result(args, |row| {
                let interval = interval_at(args, 0, row)?;
                Ok(interval.zip(number.get(row)).map(|(i, n)| i.wrapping_mul(n)))
            })
        },
        ("*", false) => |args| {
            let number = args.numbers::<Float64Type>(1)?;
            interval_result(args, |row| {
                let interval = interval_at(args, 0, row)?;
                Ok(interval.zip(number.get(row)).map(|(i, n)| (i as f64 * n) as i64))
            })
        },
        (_, true) => |args| {
            let number = args.bigints(1)?;
            interval_result(args, |row| match (interval_at(args, 0, row)?, number.get(row)) {
                (Some(_), Some(0)) => Err(by_zero()),
                (Some(i), Some(n)) => Ok(Some(i.wrapping_div(n))),
                _ => Ok(None),
            })
        },
        _ => |args| {
            let number = args.numbers::<Float64Type>(1)?;
            interval_result(args, |row| {
                let interval = interval_at(args, 0, row)?;
                Ok(interval.zip(number.get(row)).map(|(i, n)| (i as f64 / n) as i64))
            })
        },
    };
    let function = Function::native(name, name == "/", kernel);
    Ok(call_expr(function, vec![interval, number], ty))
}

fn same_as_argument(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let ty = args[0].ty.clone();
    Ok(call_expr(function, args, ty))
}

/// Applies one of several closures by the numeric type of argument 0.
macro_rules! by_number {
    ($args:expr, $int:expr, $float:expr, $decimal:expr) => {{
        let args: &CallArgs<'_> = $args;
        let (array, _) = args.raw(0)?;
        macro_rules! apply {
            ($t:ty, $op:expr) => {{
                let array = args.array(0)?;
                let array = array
                    .as_primitive_opt::<$t>()
                    .ok_or_else(|| wrong_array(&array, args.ty(0)))?;
                let out = array.unary_opt::<_, $t>($op);
                Ok(Arc::new(out.with_data_type(args.result.arrow())) as ArrayRef)
            }};
        }
        match args.ty(0).kind {
            TypeKind::TinyInt => apply!(Int8Type, |v| Some($int(i64::from(v)) as i8)),
            TypeKind::SmallInt => apply!(Int16Type, |v| Some($int(i64::from(v)) as i16)),
            TypeKind::Int => apply!(Int32Type, |v| Some($int(i64::from(v)) as i32)),
            TypeKind::BigInt => apply!(Int64Type, |v| Some($int(v))),
            TypeKind::Float => apply!(Float32Type, |v| Some($float(f64::from(v)) as f32)),
            TypeKind::Double => apply!(Float64Type, |v| Some($float(v))),
            TypeKind::Decimal { scale, .. } => {
                apply!(Decimal128Type, |v| $decimal(v, scale))
            }
            _ => Err(wrong_array(array, args.ty(0))),
        }
    }};
}

fn abs(args: &CallArgs<'_>) -> Result<ArrayRef> {
    by_number!(args, i64::wrapping_abs, f64::abs, |v: i128, _| Some(v.abs()))
}

fn sign(args: &CallArgs<'_>) -> Result<ArrayRef> {
    by_number!(
        args,
        i64::signum,
        |v: f64| if v == 0.0 || v.is_nan() { v } else { v.signum() },
        |v: i128, scale| Some(v.signum() * decimal::pow10(scale))
    )
}

fn floor(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    match args.len() {
        1 => whole("FLOOR", args, |args| {
            by_number!(args, |v: i64| v, f64::floor, |v: i128, scale| Some(
                v.div_euclid(decimal::pow10(scale))
            ))
        }),
        _ => super::temporal::floor_ceil("FLOOR", args),
    }
}

fn ceil(_: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    match args.len() {
        1 => whole("CEIL", args, |args| {
            by_number!(args, |v: i64| v, f64::ceil, |v: i128, scale| {
                let power = decimal::pow10(scale);
                Some(v.div_euclid(power) + i128::from(v.rem_euclid(power) != 0))
            })
        }),
        _ => super::temporal::floor_ceil("CEIL", args),
    }
}

/// FLOOR and CEIL of a number: of its type, without digits behind the point.
fn whole(name: &str, args: Vec<Expr>, kernel: Kernel) -> Result<Expr> {
    let ty = match args[0].ty.kind {
        TypeKind::Decimal { precision, .. } => {
            SqlType::decimal(precision, 0).with_nullable(args[0].ty.nullable)
        }
        _ => args[0].ty.clone(),
    };
    Ok(call_expr(Function::native(name, false, kernel), args, ty))
}

/// The type of ROUND and TRUNCATE, which for DECIMAL depends on the digits if constant.
fn rounded(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let nullable = args.iter().any(|a| a.ty.nullable);
    let digits = match args.get(1) {
        None => Some(0),
        Some(digits) => match digits.as_literal() {
            Some(Value::Int(n)) => Some(*n),
            _ => None,
        },
    };
    let ty = match (&args[0].ty.kind, digits) {
        (TypeKind::Decimal { precision, scale }, Some(digits)) => {
            let (p, s) = (i64::from(*precision), i64::from(*scale));
            let most = i64::from(MAX_DECIMAL_PRECISION);
            if digits >= s {
                SqlType::decimal(*precision, *scale)
            } else if digits < 0 {
                SqlType::decimal((1 + p - s).min(most) as u8, 0)
            } else {
                SqlType::decimal((1 + p - s + digits).min(most) as u8, digits as u8)
            }
        }
        _ => args[0].ty.clone(),
    };
    Ok(call_expr(function, args, ty.with_nullable(nullable)))
}

fn round(args: &CallArgs<'_>, truncate: bool) -> Result<ArrayRef> {
    let digits = if args.len() > 1 { Some(args.ints(1)?) } else { None };
    let digits = |row: usize| digits.map_or(Some(0), |d| d.get(row));
    let result_scale = match args.result.kind {
        TypeKind::Decimal { scale, .. } => scale,
        _ => 0,
    };
    macro_rules! ints {
        ($t:ty) => {{
            let values = args.numbers::<$t>(0)?;
            args.map_numbers::<$t>(|row| {
                Ok(values
                    .get(row)
                    .zip(digits(row))
                    .map(|(v, d)| round_int(v.into(), d, truncate) as _))
            })
        }};
    }
    match args.ty(0).kind {
        TypeKind::TinyInt => ints!(Int8Type),
        TypeKind::SmallInt => ints!(Int16Type),
        TypeKind::Int => ints!(Int32Type),
        TypeKind::BigInt => ints!(Int64Type),
        TypeKind::Float => {
            let values = args.numbers::<Float32Type>(0)?;
            args.map_numbers::<Float32Type>(|row| {
                let pair = values.get(row).zip(digits(row));
                Ok(pair.map(|(v, d)| match v.is_finite() {
                    // By way of the float's own text: 1.1 must not become 1.10000002.
                    true => round_text(&format!("{v:e}"), d, truncate) as f32,
                    false => v,
                }))
            })
        }
        TypeKind::Double => {
            let values = args.numbers::<Float64Type>(0)?;
            args.map_numbers::<Float64Type>(|row| {
                let pair = values.get(row).zip(digits(row));
                Ok(pair.map(|(v, d)| match v.is_finite() {
                    true => round_text(&format!("{v:e}"), d, truncate),
                    false => v,
                }))
            })
        }
        TypeKind::Decimal { scale, .. } => {
            let values = args.numbers::<Decimal128Type>(0)?;
            let precision = match args.result.kind {
                TypeKind::Decimal { precision, .. } => precision,
                _ => MAX_DECIMAL_PRECISION,
            };
            args.map_numbers::<Decimal128Type>(|row| {
                let Some((value, digits)) = values.get(row).zip(digits(row)) else {
                    return Ok(None);
                };
                let drop = i64::from(scale) - i64::from(digits);
                let kept = if drop <= 0 {
                    value
                } else if drop > 38 {
                    0
                } else {
                    let unit = decimal::pow10(drop as u8);
                    let cut = value - value % unit;
                    let up = !truncate && (value % unit).unsigned_abs() * 2 >= unit.unsigned_abs();
                    if up { cut + unit * value.signum() } else { cut }
                };
                Ok(decimal::rescale(kept, scale, precision, result_scale))
            })
        }
        _ => Err(Error::bug("ROUND of no number")),
    }
}

fn round_int(value: i64, digits: i32, truncate: bool) -> i64 {
    if digits >= 0 {
        return value;
    }
    let Some(unit) = 10_i64.checked_pow(digits.unsigned_abs()) else { return 0 };
    let cut = value - value % unit;
    let up = !truncate && (value % unit).unsigned_abs() >= (unit / 2).unsigned_abs();
    if up { cut.wrapping_add(unit * value.signum()) } else { cut }
}

/// A number in scientific form, rounded half up or cut at `digits` behind the point.
fn round_text(scientific: &str, digits: i32, truncate: bool) -> f64 {
    let exact = || scientific.parse().unwrap_or(0.0);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let negative = mantissa.starts_with('-');
    let all: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let keep = i64::from(exponent) + 1 + i64::from(digits);
    if keep >= all.len() as i64 {
        return exact();
    }
    let mut value: i128 = 0;
    for digit in all.iter().take(keep.max(0) as usize) {
        value = value * 10 + i128::from(digit - b'0');
    }
    let next = if keep < 0 { b'0' } else { all[keep as usize] };
    if !truncate && next >= b'5' {
        value += 1;
    }
    let sign = if negative { "-" } else { "" };
    let scale = -i64::from(digits);
    format!("{sign}{value}e{scale}").parse().unwrap_or_else(|_| exact())
}

fn unary(args: &CallArgs<'_>, op: fn(f64) -> f64) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let array =
        array.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_array(&array, args.ty(0)))?;
    Ok(Arc::new(array.unary::<_, Float64Type>(op)))
}

fn binary(args: &CallArgs<'_>, op: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (args.array(0)?, args.array(1)?);
    let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    let values = a.values().iter().zip(b.values()).map(|(x, y)| op(*x, *y)).collect();
    Ok(Arc::new(PrimitiveArray::<Float64Type>::new(values, nulls)))
}

fn log(args: &CallArgs<'_>) -> Result<ArrayRef> {
    match args.len() {
        1 => unary(args, f64::ln),
        _ => binary(args, |base, x| x.ln() / base.ln()),
    }
}

fn constant(args: &CallArgs<'_>, value: f64) -> Result<ArrayRef> {
    Ok(Arc::new(PrimitiveArray::<Float64Type>::from_value(value, args.rows)))
}

/// Runs `draw` with the sequence that belongs to `seed`, or with the query's own.
fn with_random<T>(
    args: &CallArgs<'_>,
    seed: Option<i64>,
    draw: impl FnOnce(&mut JavaRandom) -> T,
) -> T {
    let Some(seed) = seed else { return draw(&mut args.context.random.borrow_mut()) };
    let mut seeded = args.context.seeded.borrow_mut();
    let at = seeded.iter().position(|(s, _)| *s == seed).unwrap_or_else(|| {
        seeded.push((seed, JavaRandom::new(seed)));
        seeded.len() - 1
    });
    draw(&mut seeded[at].1)
}

fn rand(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let seeds = if args.is_empty() { None } else { Some(args.ints(0)?) };
    args.map_numbers::<Float64Type>(|row| {
        let seed = seeds.and_then(|s| s.get(row)).map(i64::from);
        Ok(Some(with_random(args, seed, JavaRandom::next_double)))
    })
}

fn rand_integer(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let bounds = args.ints(args.len() - 1)?;
    let seeds = if args.len() > 1 { Some(args.ints(0)?) } else { None };
    args.map_numbers::<Int32Type>(|row| {
        let seed = seeds.and_then(|s| s.get(row)).map(i64::from);
        match bounds.get(row) {
            None => Ok(None),
            Some(bound) if bound <= 0 => {
                Err(Error::data(format!("bound must be positive, but is {bound}")))
            }
            Some(bound) => Ok(Some(with_random(args, seed, |r| r.next_int(bound)))),
        }
    })
}

fn uuid(args: &CallArgs<'_>) -> Result<ArrayRef> {
    args.map_text(|_, out| {
        let (high, low) = with_random(args, None, |r| (r.next_long(), r.next_long()));
        // Version 4, variant 1 of RFC 4122.
        let high = (high as u64 & !0xF000) | 0x4000;
        let low = (low as u64 & !(0b11 << 62)) | (0b10 << 62);
        let hex = format!("{high:016x}{low:016x}");
        for (i, part) in [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().enumerate() {
            if i > 0 {
                out.push('-');
            }
            out.push_str(&hex[part]);
        }
        Ok(true)
    })
}
