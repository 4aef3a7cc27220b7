//! Dates, times, timestamps and intervals.
//!
//! Times before 1970 follow the calendar like all others (Flink 2.3 gets EXTRACT, CAST AS
//! DATE and FLOOR of them wrong). Parts of a TIMESTAMP_LTZ are those of the session's zone;
//! months are added to an instant in UTC, as Flink does.

use std::sync::Arc;

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, Int64Array};
use millstream_core::{Error, Result};

use super::arithmetic::interval_at;
use super::format::Pattern;
use super::signature::no_kernel;
use super::{CallArgs, Definition, Function, FunctionRef, Kernel, Returns, Volatility, call_expr};
use crate::calendar::{
    DAY_MS, add_months, civil_of_days, day_of_year, days_of_civil, iso_week, weekday,
};
use crate::coercion::common_type;
use crate::expr::Expr;
use crate::stamps::{as_timestamps, timestamp_values};
use crate::text::{units_per_second, write_timestamp};
use crate::types::{Family, SqlType, TimeAttribute, TypeKind, time_unit};
use crate::value::{Value, wrong_array};
use crate::zone::Zone;

const PER_BATCH: Volatility = Volatility::PerBatch;

fn timestamp_3() -> SqlType {
    SqlType::timestamp(3)
}
fn ltz_3() -> SqlType {
    SqlType::timestamp_ltz(3)
}
fn time_0() -> SqlType {
    SqlType::time(0)
}
fn proctime() -> SqlType {
    ltz_3().with_attribute(TimeAttribute::Proctime)
}

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(&["EXTRACT"], &["symbol, time", "symbol, interval"], extract, run_extract),
    part(&["YEAR"], "YEAR"),
    part(&["QUARTER"], "QUARTER"),
    part(&["MONTH"], "MONTH"),
    part(&["WEEK"], "WEEK"),
    part(&["DAYOFYEAR"], "DOY"),
    part(&["DAYOFMONTH"], "DAY"),
    part(&["DAYOFWEEK"], "DOW"),
    part(&["HOUR"], "HOUR"),
    part(&["MINUTE"], "MINUTE"),
    part(&["SECOND"], "SECOND"),
    Definition::bound(
        &["TIMESTAMPADD"],
        &["symbol, bigint, time"],
        |_, args| add_units(args),
        no_kernel,
    ),
    Definition::bound(&["TIMESTAMPDIFF"], &["symbol, time, time"], difference, run_difference),
    Definition::bound(&["OVERLAPS"], &["any, any, any, any"], |_, args| overlaps(args), no_kernel),
    Definition::new(&["CURRENT_TIMESTAMP", "NOW"], &[""], Returns::NotNull(ltz_3), now)
        .volatile(PER_BATCH),
    Definition::new(&["CURRENT_ROW_TIMESTAMP"], &[""], Returns::NotNull(ltz_3), row_now)
        .volatile(PER_BATCH),
    Definition::new(&["PROCTIME"], &[""], Returns::NotNull(proctime), row_now).volatile(PER_BATCH),
    Definition::new(&["LOCALTIMESTAMP"], &[""], Returns::NotNull(timestamp_3), local_now)
        .volatile(PER_BATCH),
    Definition::new(&["CURRENT_DATE"], &[""], Returns::NotNull(SqlType::date), |args| {
        let days = args.context.zone.to_local_ms(now_ms(args)).div_euclid(DAY_MS) as i32;
        args.map_numbers::<Date32Type>(|_| Ok(Some(days)))
    })
    .volatile(PER_BATCH),
    Definition::new(&["CURRENT_TIME", "LOCALTIME"], &[""], Returns::NotNull(time_0), |args| {
        let ms = args.context.zone.to_local_ms(now_ms(args)).rem_euclid(DAY_MS);
        let ms = (ms - ms % 1000) as i32;
        args.map_numbers::<Time32MillisecondType>(|_| Ok(Some(ms)))
    })
    .volatile(PER_BATCH),
    Definition::new(&["CURRENT_WATERMARK"], &["stamp"], Returns::Derived(watermark_type), |args| {
        let value = args.context.watermark_ms;
        Ok(as_timestamps(Int64Array::from(vec![value; args.rows]), args.result))
    })
    .volatile(PER_BATCH),
    Definition::new(&["CURRENT_DATABASE"], &[""], Returns::NotNull(SqlType::string), |args| {
        args.pick_text(|_| Ok(Some(args.context.database.as_str())))
    })
    .volatile(PER_BATCH),
    Definition::new(
        &["DATE_FORMAT"],
        &["stamp, text", "text, text", "time, text"],
        Returns::Nullable(SqlType::string),
        date_format,
    ),
    Definition::new(
        &["TO_TIMESTAMP"],
        &["text, [text]"],
        Returns::Nullable(timestamp_3),
        to_timestamp,
    ),
    Definition::bound(
        &["TO_TIMESTAMP_LTZ"],
        &["num, [int]", "text, [text], [text]"],
        to_timestamp_ltz,
        run_to_timestamp_ltz,
    ),
    Definition::new(&["TO_DATE"], &["text, [text]"], Returns::Nullable(SqlType::date), to_date),
    Definition::new(
        &["FROM_UNIXTIME"],
        &["bigint, [text]"],
        Returns::Nullable(SqlType::string),
        from_unixtime,
    ),
    Definition::new(
        &["UNIX_TIMESTAMP"],
        &["", "text, [text]"],
        Returns::Type(SqlType::bigint),
        unix,
    )
    .volatile(PER_BATCH),
    Definition::new(
        &["CONVERT_TZ"],
        &["text, text, text"],
        Returns::Nullable(SqlType::string),
        convert_tz,
    ),
];

const fn part(names: &'static [&'static str], unit: &'static str) -> Definition {
    let bind: fn(FunctionRef, Vec<Expr>) -> Result<Expr> = match unit.as_bytes() {
        b"YEAR" => |_, args| extract_unit("YEAR", args),
        b"QUARTER" => |_, args| extract_unit("QUARTER", args),
        b"MONTH" => |_, args| extract_unit("MONTH", args),
        b"WEEK" => |_, args| extract_unit("WEEK", args),
        b"DOY" => |_, args| extract_unit("DOY", args),
        b"DAY" => |_, args| extract_unit("DAY", args),
        b"DOW" => |_, args| extract_unit("DOW", args),
        b"HOUR" => |_, args| extract_unit("HOUR", args),
        b"MINUTE" => |_, args| extract_unit("MINUTE", args),
        _ => |_, args| extract_unit("SECOND", args),
    };
    Definition::bound(names, &["time", "interval"], bind, no_kernel)
}

fn extract_unit(unit: &str, args: Vec<Expr>) -> Result<Expr> {
    let mut all = vec![Expr::text(unit)];
    all.extend(args);
    super::Registry::builtin().call("EXTRACT", all)
}

/// A unit of time in EXTRACT, FLOOR, TIMESTAMPADD and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

impl Unit {
    pub(crate) fn parse(name: &str) -> Result<Unit> {
        use Unit::*;
        let upper = name.to_uppercase();
        let upper = upper.strip_prefix("SQL_TSI_").unwrap_or(&upper);
        Ok(match upper {
            "MILLENNIUM" => Millennium,
            "CENTURY" => Century,
            "DECADE" => Decade,
            "YEAR" | "YEARS" => Year,
            "ISOYEAR" => IsoYear,
            "QUARTER" | "QUARTERS" => Quarter,
            "MONTH" | "MONTHS" => Month,
            "WEEK" | "WEEKS" => Week,
            "DAY" | "DAYS" => Day,
            "DOY" => DayOfYear,
            "DOW" => DayOfWeek,
            "ISODOW" => IsoDayOfWeek,
            "HOUR" | "HOURS" => Hour,
            "MINUTE" | "MINUTES" => Minute,
            "SECOND" | "SECONDS" => Second,
            "MILLISECOND" | "MILLISECONDS" => Millisecond,
            "MICROSECOND" | "MICROSECONDS" => Microsecond,
            "NANOSECOND" | "NANOSECONDS" => Nanosecond,
            "EPOCH" => Epoch,
            _ => {
                return Err(Error::config(format!("'{name}' is no unit of time"))
                    .advice("use SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"));
            }
        })
    }
    /// Milliseconds of the unit, for those that have a fixed length.
    fn millis(self) -> Option<i64> {
        Some(match self {
            Unit::Week => 7 * DAY_MS,
            Unit::Day => DAY_MS,
            Unit::Hour => 3_600_000,
            Unit::Minute => 60_000,
            Unit::Second => 1000,
            Unit::Millisecond => 1,
            _ => return None,
        })
    }
    /// Months of the unit, for those that are made of months.
    fn months(self) -> Option<i64> {
        Some(match self {
            Unit::Millennium => 12_000,
            Unit::Century => 1200,
            Unit::Decade => 120,
            Unit::Year => 12,
            Unit::Quarter => 3,
            Unit::Month => 1,
            _ => return None,
        })
    }
}

/// The unit that the binder has found to be one.
fn unit_of(args: &CallArgs<'_>, i: usize) -> Result<Unit> {
    Unit::parse(&args.symbol(i))
}

// ---- times plus intervals -------------------------------------------------------------

/// `time op interval` for `+` and `-`; the type is that of the time.
pub(super) fn shift(op: &str, time: Expr, interval: Expr) -> Result<Expr> {
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

fn units_per_ms(ty: &SqlType) -> i64 {
    match ty.kind {
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => units_per_second(time_unit(p)) / 1000,
        _ => 1,
    }
}

fn add_units(args: Vec<Expr>) -> Result<Expr> {
    let unit = Unit::parse(args[0].as_text().unwrap_or_default())?;
    let (count, time) = (args[1].clone(), args[2].clone());
    let (kind, size) = match (unit.months(), unit.millis()) {
        (Some(months), _) => (TypeKind::IntervalYearMonth, months),
        (_, Some(millis)) => (TypeKind::IntervalDaySecond, millis),
        _ => return Err(Error::config("TIMESTAMPADD does not take this unit")),
    };
    let one = Expr::literal(Value::Interval(size), SqlType::new(kind));
    let interval = super::Registry::builtin().call("*", vec![one, count])?;
    // Hours cannot be added to a DATE, so it becomes a TIMESTAMP first.
    let time = match (&time.ty.kind, unit.millis()) {
        (TypeKind::Date, Some(ms)) if ms < DAY_MS => {
            time.cast_unchecked(SqlType::timestamp(6), false)
        }
        _ => time,
    };
    shift("+", time, interval)
}

// ---- points in time as milliseconds ---------------------------------------------------

/// Local milliseconds since 1970 of each row of a DATE, TIME or timestamp argument.
fn local_millis(args: &CallArgs<'_>, i: usize) -> Result<Int64Array> {
    let (array, _) = args.raw(i)?;
    let array = if array.len() == args.rows { array.clone() } else { args.array(i)? };
    millis_of(&array, args.ty(i), Some(&args.context.zone))
}

/// Milliseconds since 1970: local ones with a zone, else of the instant.
fn millis_of(array: &ArrayRef, ty: &SqlType, zone: Option<&Zone>) -> Result<Int64Array> {
    let wrong = || wrong_array(array, ty);
    Ok(match ty.kind {
        TypeKind::Date => array
            .as_primitive_opt::<Date32Type>()
            .ok_or_else(wrong)?
            .unary::<_, Int64Type>(|d| i64::from(d) * DAY_MS),
        TypeKind::Time(_) => array
            .as_primitive_opt::<Time32MillisecondType>()
            .ok_or_else(wrong)?
            .unary::<_, Int64Type>(i64::from),
        _ => {
            let values = timestamp_values(array, ty)?;
            let per_ms = units_per_ms(ty);
            let local = matches!(ty.kind, TypeKind::TimestampLtz(_)).then_some(zone).flatten();
            match local {
                Some(zone) if *zone != Zone::UTC => {
                    values.unary::<_, Int64Type>(|v| zone.to_local_ms(v.div_euclid(per_ms)))
                }
                _ if per_ms == 1 => values,
                _ => values.unary::<_, Int64Type>(|v| v.div_euclid(per_ms)),
            }
        }
    })
}

// ---- EXTRACT --------------------------------------------------------------------------

fn extract(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
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

fn run_extract(args: &CallArgs<'_>) -> Result<ArrayRef> {
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

// ---- FLOOR and CEIL -------------------------------------------------------------------

/// FLOOR or CEIL of a time to a unit; the type stays.
pub(super) fn floor_ceil(name: &str, args: Vec<Expr>) -> Result<Expr> {
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

// ---- TIMESTAMPDIFF --------------------------------------------------------------------

fn difference(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
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

fn run_difference(args: &CallArgs<'_>) -> Result<ArrayRef> {
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

fn overlaps(args: Vec<Expr>) -> Result<Expr> {
    let [start_a, end_a, start_b, end_b] =
        <[Expr; 4]>::try_from(args).map_err(|_| Error::bug("OVERLAPS without four operands"))?;
    let registry = super::Registry::builtin();
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

// ---- the current time -----------------------------------------------------------------

fn now_ms(args: &CallArgs<'_>) -> i64 {
    args.context.query_start_ms.unwrap_or(args.context.now_ms)
}

fn constant_stamp(args: &CallArgs<'_>, ms: i64) -> Result<ArrayRef> {
    Ok(as_timestamps(Int64Array::from(vec![ms; args.rows]), args.result))
}

fn now(args: &CallArgs<'_>) -> Result<ArrayRef> {
    constant_stamp(args, now_ms(args))
}

fn row_now(args: &CallArgs<'_>) -> Result<ArrayRef> {
    constant_stamp(args, args.context.now_ms)
}

fn local_now(args: &CallArgs<'_>) -> Result<ArrayRef> {
    constant_stamp(args, args.context.zone.to_local_ms(now_ms(args)))
}

fn watermark_type(args: &[Expr]) -> Result<SqlType> {
    Ok(match args[0].ty.kind {
        TypeKind::TimestampLtz(_) => ltz_3(),
        _ => timestamp_3(),
    })
}

// ---- text and back --------------------------------------------------------------------

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

/// The pattern of each row: compiled once if it is the same for all.
struct Patterns<'a> {
    text: Option<super::args::Text<'a>>,
    fixed: Option<Pattern>,
}

impl<'a> Patterns<'a> {
    fn of(args: &CallArgs<'a>, i: usize, default: &str) -> Result<Self> {
        match args.optional_text(i)? {
            None => Ok(Patterns { text: None, fixed: Some(Pattern::parse(default)?) }),
            Some(text) if text.is_scalar() => {
                let fixed = text.get(0).map(Pattern::parse).transpose()?;
                Ok(Patterns { text: Some(text), fixed })
            }
            Some(text) => Ok(Patterns { text: Some(text), fixed: None }),
        }
    }
    /// Runs `body` with the row's pattern; `None` if the pattern is NULL.
    fn with<T>(
        &self,
        row: usize,
        body: impl FnOnce(&Pattern) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        match (&self.fixed, self.text) {
            (Some(pattern), _) => body(pattern),
            (None, Some(text)) => match text.get(row) {
                Some(text) => body(&Pattern::parse(text)?),
                None => Ok(None),
            },
            (None, None) => Ok(None),
        }
    }
}

fn date_format(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let patterns = Patterns::of(args, 1, DEFAULT_PATTERN)?;
    if args.ty(0).is_text() {
        let texts = args.text(0)?;
        return args.map_text(|row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            let Ok((seconds, nanos)) = crate::parse::timestamp(text) else { return Ok(false) };
            let done = patterns.with(row, |p| {
                Ok({
                    let _: () = p.write(out, seconds, nanos, &Zone::UTC);
                    Some(())
                })
            })?;
            Ok(done.is_some())
        });
    }
    let zone = match args.ty(0).kind {
        TypeKind::TimestampLtz(_) => args.context.zone,
        _ => Zone::UTC,
    };
    let (values, per_second) = seconds_source(args)?;
    use arrow_array::Array;
    args.map_text(|row, out| {
        if values.is_null(row) {
            return Ok(false);
        }
        let value = values.value(row);
        let (seconds, nanos) = (
            value.div_euclid(per_second),
            value.rem_euclid(per_second) * (1_000_000_000 / per_second),
        );
        let done = patterns.with(row, |p| {
            Ok({
                let _: () = p.write(out, seconds, nanos, &zone);
                Some(())
            })
        })?;
        Ok(done.is_some())
    })
}

/// Argument 0 as numbers, and how many of them make a second.
fn seconds_source(args: &CallArgs<'_>) -> Result<(Int64Array, i64)> {
    let array = args.array(0)?;
    match args.ty(0).family() {
        Family::Timestamp => {
            Ok((timestamp_values(&array, args.ty(0))?, units_per_ms(args.ty(0)) * 1000))
        }
        _ => Ok((millis_of(&array, args.ty(0), None)?, 1000)),
    }
}

fn to_timestamp(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let patterns =
        if args.len() > 1 { Some(Patterns::of(args, 1, DEFAULT_PATTERN)?) } else { None };
    let mut out = Int64Array::builder(args.rows);
    for row in 0..args.rows {
        out.append_option(read_local(texts.get(row), patterns.as_ref(), row)?);
    }
    Ok(as_timestamps(out.finish(), args.result))
}

/// Local milliseconds of a text; `None` if it cannot be read.
fn read_local(
    text: Option<&str>,
    patterns: Option<&Patterns<'_>>,
    row: usize,
) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    let parts = match patterns {
        None => crate::parse::timestamp(text).ok(),
        Some(patterns) => patterns.with(row, |p| Ok(p.read(text).map(|t| (t.seconds, t.nanos))))?,
    };
    Ok(parts.map(|(seconds, nanos)| seconds * 1000 + nanos / 1_000_000))
}

fn to_timestamp_ltz(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    if args[0].ty.is_text() {
        return Ok(call_expr(function, args, ltz_3()));
    }
    let precision = match args.get(1).map(|p| p.as_literal()) {
        None => 3,
        Some(Some(Value::Int(p @ 0..=9))) => *p,
        Some(_) => {
            return Err(Error::config("the precision of TO_TIMESTAMP_LTZ must be from 0 to 9")
                .advice("use 0 for seconds and 3 for milliseconds"));
        }
    };
    let number = args[0].clone();
    // A DECIMAL is cut to a whole number; FLOAT and DOUBLE keep their fraction.
    let exact = !number.ty.is_approximate();
    let wanted = if exact { SqlType::bigint() } else { SqlType::double() };
    let args = vec![number.cast_unchecked(wanted, false), Expr::int(precision as i32)];
    let digits = precision.max(3) as u8;
    Ok(call_expr(function, args, SqlType::timestamp_ltz(digits)))
}

fn run_to_timestamp_ltz(args: &CallArgs<'_>) -> Result<ArrayRef> {
    if args.ty(0).is_text() {
        let texts = args.text(0)?;
        let patterns =
            if args.len() > 1 { Some(Patterns::of(args, 1, DEFAULT_PATTERN)?) } else { None };
        let zones = args.optional_text(2)?;
        let mut out = Int64Array::builder(args.rows);
        for row in 0..args.rows {
            let zone = match zones {
                // Flink reads the text in UTC unless a zone is given.
                None => Some(Zone::UTC),
                Some(zones) => zones.get(row).and_then(|z| Zone::parse(z).ok()),
            };
            let local = read_local(texts.get(row), patterns.as_ref(), row)?;
            if let (None, Some(text), None) = (local, texts.get(row), &patterns) {
                return Err(Error::data(format!("text '{text}' could not be parsed")).advice(
                    "write it as 'yyyy-MM-dd HH:mm:ss', or use TRY_CAST(.. AS TIMESTAMP_LTZ(3))",
                ));
            }
            out.append_option(local.zip(zone).map(|(ms, zone)| zone.to_instant_ms(ms)));
        }
        return Ok(as_timestamps(out.finish(), args.result));
    }
    let written = match args.scalar(1)? {
        Some(Value::Int(precision)) => precision as u32,
        _ => 3,
    };
    // From units of the precision to those of the result.
    let stored = match args.result.kind {
        TypeKind::TimestampLtz(p) => crate::text::units_per_second(time_unit(p)),
        _ => 1000,
    };
    let to_units = (stored / 10_i64.pow(written)).max(1);
    // Flink's timestamps end with the year 9999; what lies outside is NULL.
    const RANGE_S: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
    let sound = |units: i64| Some(units).filter(|u| RANGE_S.contains(&u.div_euclid(stored)));
    let array = args.array(0)?;
    let values = match args.ty(0).kind {
        TypeKind::Double => array
            .as_primitive_opt::<Float64Type>()
            .ok_or_else(|| wrong_array(&array, args.ty(0)))?
            .unary_opt::<_, Int64Type>(|v| sound((v * to_units as f64) as i64)),
        _ => array
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| wrong_array(&array, args.ty(0)))?
            .unary_opt::<_, Int64Type>(|v| sound(v.checked_mul(to_units)?)),
    };
    Ok(as_timestamps(values, args.result))
}

fn to_date(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let patterns = if args.len() > 1 { Some(Patterns::of(args, 1, "yyyy-MM-dd")?) } else { None };
    let mut out = PrimitiveBuilder::<Date32Type>::with_capacity(args.rows);
    for row in 0..args.rows {
        let days = match (texts.get(row), &patterns) {
            (None, _) => None,
            (Some(text), None) => crate::parse::date(text).ok(),
            (Some(text), Some(patterns)) => {
                patterns.with(row, |p| Ok(p.read(text).map(|t| t.seconds.div_euclid(86_400))))?
            }
        };
        out.append_option(days.map(|d| d as i32));
    }
    Ok(Arc::new(out.finish()))
}

fn from_unixtime(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let seconds = args.bigints(0)?;
    let zone = args.context.zone;
    if args.len() == 1 {
        return args.map_text(|row, out| {
            let Some(seconds) = seconds.get(row) else { return Ok(false) };
            write_timestamp(out, seconds, 0, arrow_schema::TimeUnit::Second, &zone);
            Ok(true)
        });
    }
    let patterns = Patterns::of(args, 1, DEFAULT_PATTERN)?;
    args.map_text(|row, out| {
        let Some(seconds) = seconds.get(row) else { return Ok(false) };
        let done = patterns.with(row, |p| {
            Ok({
                let _: () = p.write(out, seconds, 0, &zone);
                Some(())
            })
        })?;
        Ok(done.is_some())
    })
}

fn unix(args: &CallArgs<'_>) -> Result<ArrayRef> {
    if args.is_empty() {
        let seconds = args.context.now_ms.div_euclid(1000);
        return args.map_numbers::<Int64Type>(|_| Ok(Some(seconds)));
    }
    let texts = args.text(0)?;
    let patterns = Patterns::of(args, 1, DEFAULT_PATTERN)?;
    let zone = args.context.zone;
    args.map_numbers::<Int64Type>(|row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        patterns.with(row, |p| {
            Ok(Some(match p.read_lenient(text) {
                Some(time) => match time.offset {
                    Some(offset) => time.seconds - i64::from(offset),
                    None => time.seconds - i64::from(zone.later_offset_of_local(time.seconds)),
                },
                // Flink's answer to a text that cannot be read.
                None => i64::MIN,
            }))
        })
    })
}

fn convert_tz(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let pattern = Pattern::parse(DEFAULT_PATTERN)?;
    let fixed = |t: super::args::Text<'_>| {
        if t.is_scalar() { t.get(0).map(java_zone) } else { None }
    };
    let (fixed_from, fixed_to) = (fixed(from), fixed(to));
    args.map_text(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row))
        else {
            return Ok(false);
        };
        let Some(time) = pattern.read_lenient(text) else { return Ok(false) };
        let from = fixed_from.unwrap_or_else(|| java_zone(from));
        let to = fixed_to.unwrap_or_else(|| java_zone(to));
        let instant = time.seconds - i64::from(from.offset_of_local(time.seconds));
        write_timestamp(out, instant, 0, arrow_schema::TimeUnit::Second, &to);
        Ok(true)
    })
}

/// The zone, or UTC for a name that Java does not know, as its TimeZone class has it.
fn java_zone(name: &str) -> Zone {
    Zone::parse(name).unwrap_or(Zone::UTC)
}
