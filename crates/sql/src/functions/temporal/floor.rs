//! FLOOR and CEIL of times.

use super::unit::{Unit, unit_of, units_per_ms};
use crate::calendar::{DAY_MS, civil_of_days, days_of_civil, weekday};
use crate::expr::Expr;
use crate::functions::{CallArgs, Function, Kernel, call_expr};
use crate::stamps::{as_timestamps, timestamp_values};
use crate::types::TypeKind;
use crate::zone::Zone;
use arrow_array::ArrayRef;
use arrow_array::types::*;
use millstream_core::{Error, Result};

/// FLOOR or CEIL of a time to a unit; the type stays.
pub(crate) fn floor_ceil(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let unit = Unit::parse(args[1].as_text().unwrap_or_default())?;
    if unit.millis().is_none() && unit.months().is_none() {
        return Err(Error::config(format!("{name} does not take this unit"))
            .advice("use SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR or longer"));
    }
    let ty = args[0].ty.clone().computed();
    let kernel: Kernel =
        if name == "CEIL" { |args| run_floor(args, true) } else { |args| run_floor(args, false) };
    Ok(call_expr(Function::native(name, false, kernel), args, ty))
}

fn run_floor(args: &CallArgs<'_>, ceil: bool) -> Result<ArrayRef> {
    let unit = unit_of(args, 1)?;
    let array = args.array(0)?;
    match args.ty(0).kind {
        TypeKind::Date => {
            let days = args.numbers::<Date32Type>(0)?;
            args.map_numbers::<Date32Type>(|row| {
                Ok(days
                    .get(row)
                    .map(|d| floor_ms(i64::from(d) * DAY_MS, unit, ceil).div_euclid(DAY_MS) as i32))
            })
        }
        TypeKind::Time(_) => {
            let times = args.numbers::<Time32MillisecondType>(0)?;
            args.map_numbers::<Time32MillisecondType>(|row| {
                Ok(times.get(row).map(|t| floor_ms(t.into(), unit, ceil).rem_euclid(DAY_MS) as i32))
            })
        }
        TypeKind::TimestampLtz(_) if args.context.zone != Zone::UTC => {
            let zone = args.context.zone;
            let per_ms = units_per_ms(args.ty(0));
            let values = timestamp_values(&array, args.ty(0))?;
            let floored = values.unary::<_, Int64Type>(|v| {
                let ms = up_to_ms(v, per_ms, ceil);
                zone.to_instant_ms(floor_ms(zone.to_local_ms(ms), unit, ceil)) * per_ms
            });
            Ok(as_timestamps(floored, args.result))
        }
        _ => {
            let per_ms = units_per_ms(args.ty(0));
            let values = timestamp_values(&array, args.ty(0))?;
            let floored = values.unary::<_, Int64Type>(|v| {
                floor_ms(up_to_ms(v, per_ms, ceil), unit, ceil) * per_ms
            });
            Ok(as_timestamps(floored, args.result))
        }
    }
}

/// Whole milliseconds: the one begun for FLOOR, the one reached for CEIL.
fn up_to_ms(value: i64, per_ms: i64, ceil: bool) -> i64 {
    value.div_euclid(per_ms) + i64::from(ceil && value.rem_euclid(per_ms) != 0)
}

/// The start of the unit that a local time lies in, or of the next one if `ceil`.
fn floor_ms(ms: i64, unit: Unit, ceil: bool) -> i64 {
    let days = ms.div_euclid(DAY_MS);
    let (floor, next) = match unit {
        Unit::Week => {
            let start = (days - weekday(days)) * DAY_MS;
            (start, start + 7 * DAY_MS)
        }
        _ => match (unit.millis(), unit.months()) {
            (Some(size), _) => {
                let start = ms - ms.rem_euclid(size);
                (start, start + size)
            }
            (_, Some(size)) => {
                let date = civil_of_days(days);
                let months = i64::from(date.year) * 12 + i64::from(date.month - 1);
                // Centuries and millennia begin with a year 1.
                let origin = if size >= 1200 { 12 } else { 0 };
                let start = (months - origin).div_euclid(size) * size + origin;
                let day = |months: i64| {
                    let year = months.div_euclid(12) as i32;
                    days_of_civil(year, months.rem_euclid(12) as i32 + 1, 1) * DAY_MS
                };
                (day(start), day(start + size))
            }
            _ => (ms, ms),
        },
    };
    if ceil && floor != ms { next } else { floor }
}
