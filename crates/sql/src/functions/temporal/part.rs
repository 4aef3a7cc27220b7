//! Parts of times and intervals: EXTRACT, to which YEAR, MONTH and the like come down.

use super::unit::{Unit, local_millis, millis_of, unit_of, units_per_ms};
use crate::calendar::{DAY_MS, civil_of_days, day_of_year, iso_week, weekday};
use crate::expr::Expr;
use crate::functions::arithmetic::interval_at;
use crate::functions::{CallArgs, FunctionRef, call_expr};
use crate::stamps::timestamp_values;
use crate::types::{Family, SqlType, TypeKind};
use arrow_array::ArrayRef;
use arrow_array::types::*;
use millstream_core::{Error, Result};
use std::sync::Arc;

pub(super) fn extract(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let unit = Unit::parse(args[0].as_text().unwrap_or_default())?;
    let time = &args[1].ty;
    let fits = match time.kind {
        TypeKind::IntervalYearMonth => unit.months().is_some(),
        TypeKind::IntervalDaySecond => unit.millis().is_some(),
        TypeKind::Time(_) => matches!(
            unit,
            Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond | Unit::Epoch
        ),
        _ => true,
    };
    if !fits {
        let unit = args[0].as_text().unwrap_or_default();
        return Err(Error::config(format!("{} has no {unit}", time.base_text())));
    }
    let ty = SqlType::bigint().with_nullable(time.nullable);
    Ok(call_expr(function, args, ty))
}

pub(super) fn run_extract(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let unit = unit_of(args, 0)?;
    if args.ty(1).family() == Family::Interval {
        return args.map_numbers::<Int64Type>(|row| {
            Ok(interval_at(args, 1, row)?.map(|v| interval_part(v, unit)))
        });
    }
    if unit == Unit::Epoch {
        let array = args.array(1)?;
        let millis = millis_of(&array, args.ty(1), None)?;
        return Ok(Arc::new(millis.unary::<_, Int64Type>(|ms| ms.div_euclid(1000))));
    }
    if let (Unit::Microsecond | Unit::Nanosecond, Family::Timestamp) = (unit, args.ty(1).family()) {
        let values = timestamp_values(&args.array(1)?, args.ty(1))?;
        let per_second = units_per_ms(args.ty(1)) * 1000;
        let wanted = if unit == Unit::Microsecond { 1_000_000 } else { 1_000_000_000 };
        return Ok(Arc::new(values.unary::<_, Int64Type>(|v| {
            let part = v.rem_euclid(per_second);
            if wanted >= per_second {
                part * (wanted / per_second)
            } else {
                part / (per_second / wanted)
            }
        })));
    }
    let millis = local_millis(args, 1)?;
    Ok(Arc::new(millis.unary::<_, Int64Type>(|ms| time_part(ms, unit))))
}

fn interval_part(value: i64, unit: Unit) -> i64 {
    match unit {
        Unit::Year => value / 12,
        Unit::Quarter => value % 12 / 3,
        Unit::Month => value % 12,
        Unit::Hour => value / 3_600_000 % 24,
        Unit::Minute => value / 60_000 % 60,
        Unit::Second => value / 1000 % 60,
        Unit::Millisecond => value % 1000,
        other => {
            let size = other.millis().or(other.months()).unwrap_or(1);
            value / size
        }
    }
}

/// One part of a local time in milliseconds.
fn time_part(ms: i64, unit: Unit) -> i64 {
    let days = ms.div_euclid(DAY_MS);
    let in_day = ms.rem_euclid(DAY_MS);
    let date = || civil_of_days(days);
    let year = || i64::from(date().year);
    match unit {
        Unit::Millennium => (year() + 999).div_euclid(1000),
        Unit::Century => (year() + 99).div_euclid(100),
        Unit::Decade => year().div_euclid(10),
        Unit::Year => year(),
        Unit::IsoYear => iso_week(days).0.into(),
        Unit::Quarter => i64::from((date().month - 1) / 3 + 1),
        Unit::Month => date().month.into(),
        Unit::Week => iso_week(days).1,
        Unit::Day => date().day.into(),
        Unit::DayOfYear => day_of_year(days),
        Unit::DayOfWeek => weekday(days) + 1,
        Unit::IsoDayOfWeek => (weekday(days) + 6) % 7 + 1,
        Unit::Hour => in_day / 3_600_000,
        Unit::Minute => in_day / 60_000 % 60,
        Unit::Second => in_day / 1000 % 60,
        Unit::Millisecond => in_day % 1000,
        Unit::Microsecond => in_day % 1000 * 1000,
        Unit::Nanosecond => in_day % 1000 * 1_000_000,
        Unit::Epoch => ms.div_euclid(1000),
    }
}
