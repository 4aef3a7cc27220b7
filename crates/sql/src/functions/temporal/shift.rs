//! Times plus intervals (`+`, `-`, TIMESTAMPADD), their differences, and OVERLAPS.

use super::unit::{Unit, millis_of, unit_of, units_per_ms};
use crate::calendar::{DAY_MS, add_months, civil_of_days};
use crate::coercion::common_type;
use crate::expr::Expr;
use crate::functions::arithmetic::interval_at;
use crate::functions::{CallArgs, Function, FunctionRef, Kernel, Registry, call_expr};
use crate::stamps::{as_timestamps, timestamp_values};
use crate::types::{Family, SqlType, TypeKind};
use crate::value::Value;
use arrow_array::types::*;
use arrow_array::{ArrayRef, Int64Array};
use millstream_core::{Error, Result};

/// `time op interval` for `+` and `-`; the type is that of the time.
pub(crate) fn shift(op: &str, time: Expr, interval: Expr) -> Result<Expr> {
    let nullable = time.ty.nullable || interval.ty.nullable;
    let ty = time.ty.clone().with_nullable(nullable).computed();
    let kernel: Kernel =
        if op == "+" { |args| run_shift(args, 1) } else { |args| run_shift(args, -1) };
    Ok(call_expr(Function::native(op, false, kernel), vec![time, interval], ty))
}

fn run_shift(args: &CallArgs<'_>, sign: i64) -> Result<ArrayRef> {
    let months = args.ty(1).kind == TypeKind::IntervalYearMonth;
    let interval = |row| Ok::<_, Error>(interval_at(args, 1, row)?.map(|v| v.wrapping_mul(sign)));
    match args.ty(0).kind {
        TypeKind::Date => {
            let days = args.numbers::<Date32Type>(0)?;
            args.map_numbers::<Date32Type>(|row| {
                Ok(days.get(row).zip(interval(row)?).map(|(d, i)| {
                    if months {
                        add_months(d.into(), i) as i32
                    } else {
                        (i64::from(d) + i / DAY_MS) as i32
                    }
                }))
            })
        }
        TypeKind::Time(_) => {
            let times = args.numbers::<Time32MillisecondType>(0)?;
            args.map_numbers::<Time32MillisecondType>(|row| {
                Ok(times.get(row).zip(interval(row)?).map(|(t, i)| {
                    let moved = if months { t.into() } else { i64::from(t).wrapping_add(i) };
                    moved.rem_euclid(DAY_MS) as i32
                }))
            })
        }
        _ => {
            let (array, scalar) = args.raw(0)?;
            let values = timestamp_values(array, args.ty(0))?;
            let per_ms = units_per_ms(args.ty(0));
            if let (false, Some(Value::Interval(i)), false) = (scalar, args.scalar(1)?, months) {
                let step = i.wrapping_mul(sign).wrapping_mul(per_ms);
                let moved = values.unary::<_, Int64Type>(|v| v.wrapping_add(step));
                return Ok(as_timestamps(moved, args.result));
            }
            let mut out = Int64Array::builder(args.rows);
            for row in 0..args.rows {
                let at = if scalar { 0 } else { row };
                let valid = arrow_array::Array::is_valid(&values, at);
                out.append_option(match (valid, interval(row)?) {
                    (true, Some(i)) if months => {
                        let day = DAY_MS * per_ms;
                        let value = values.value(at);
                        let days = add_months(value.div_euclid(day), i);
                        days.checked_mul(day).map(|d| d.wrapping_add(value.rem_euclid(day)))
                    }
                    (true, Some(i)) => Some(values.value(at).wrapping_add(i.wrapping_mul(per_ms))),
                    _ => None,
                });
            }
            Ok(as_timestamps(out.finish(), args.result))
        }
    }
}

pub(super) fn add_units(args: Vec<Expr>) -> Result<Expr> {
    let unit = Unit::parse(args[0].as_text().unwrap_or_default())?;
    let (count, time) = (args[1].clone(), args[2].clone());
    let (kind, size) = match (unit.months(), unit.millis()) {
        (Some(months), _) => (TypeKind::IntervalYearMonth, months),
        (_, Some(millis)) => (TypeKind::IntervalDaySecond, millis),
        _ => return Err(Error::config("TIMESTAMPADD does not take this unit")),
    };
    let one = Expr::literal(Value::Interval(size), SqlType::new(kind));
    let interval = Registry::builtin().call("*", vec![one, count])?;
    // Hours cannot be added to a DATE, so it becomes a TIMESTAMP first.
    let time = match (&time.ty.kind, unit.millis()) {
        (TypeKind::Date, Some(ms)) if ms < DAY_MS => {
            time.cast_unchecked(SqlType::timestamp(6), false)
        }
        _ => time,
    };
    shift("+", time, interval)
}

pub(super) fn difference(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let unit = Unit::parse(args[0].as_text().unwrap_or_default())?;
    if unit.millis().is_none() && unit.months().is_none() {
        return Err(Error::config("TIMESTAMPDIFF does not take this unit")
            .advice("use SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"));
    }
    let common = common_type([&args[1].ty, &args[2].ty])
        .ok_or_else(|| Error::config("TIMESTAMPDIFF of a time of day and a date"))?;
    let nullable = common.nullable;
    let unit = args[0].clone();
    let times = args.into_iter().skip(1).map(|a| a.cast_unchecked(common.clone(), false));
    let args = std::iter::once(unit).chain(times).collect();
    Ok(call_expr(function, args, SqlType::int().with_nullable(nullable)))
}

pub(super) fn run_difference(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let unit = unit_of(args, 0)?;
    let from = millis_of(&args.array(1)?, args.ty(1), None)?;
    let to = millis_of(&args.array(2)?, args.ty(2), None)?;
    use arrow_array::Array;
    args.map_numbers::<Int32Type>(|row| {
        if from.is_null(row) || to.is_null(row) {
            return Ok(None);
        }
        let (from, to) = (from.value(row), to.value(row));
        Ok(Some(match (unit.millis(), unit.months()) {
            (Some(size), _) => (to.wrapping_sub(from) / size) as i32,
            (_, Some(size)) => (months_between(from, to) / size) as i32,
            _ => 0,
        }))
    })
}

/// Whole months from one time to another, towards zero.
fn months_between(from: i64, to: i64) -> i64 {
    if from > to {
        return -months_between(to, from);
    }
    let (a, b) = (civil_of_days(from.div_euclid(DAY_MS)), civil_of_days(to.div_euclid(DAY_MS)));
    let months = i64::from(b.year - a.year) * 12 + i64::from(b.month - a.month);
    let reached = add_months(from.div_euclid(DAY_MS), months) * DAY_MS + from.rem_euclid(DAY_MS);
    months - i64::from(reached > to)
}

pub(super) fn overlaps(args: Vec<Expr>) -> Result<Expr> {
    let [start_a, end_a, start_b, end_b] =
        <[Expr; 4]>::try_from(args).map_err(|_| Error::bug("OVERLAPS without four operands"))?;
    let registry = Registry::builtin();
    let end = |start: &Expr, end: Expr| match end.ty.family() {
        Family::Interval => shift("+", start.clone(), end),
        _ => Ok(end),
    };
    let (end_a, end_b) = (end(&start_a, end_a)?, end(&start_b, end_b)?);
    let least = |a: &Expr, b: &Expr| registry.call("LEAST", vec![a.clone(), b.clone()]);
    let greatest = |a: &Expr, b: &Expr| registry.call("GREATEST", vec![a.clone(), b.clone()]);
    Ok(Expr::and(vec![
        registry.call(">=", vec![greatest(&start_a, &end_a)?, least(&start_b, &end_b)?])?,
        registry.call(">=", vec![greatest(&start_b, &end_b)?, least(&start_a, &end_a)?])?,
    ]))
}
