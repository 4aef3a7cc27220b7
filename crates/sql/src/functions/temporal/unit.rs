//! Units of time, and arguments in them.

use crate::calendar::DAY_MS;
use crate::functions::CallArgs;
use crate::stamps::timestamp_values;
use crate::text::units_per_second;
use crate::types::{SqlType, TypeKind, time_unit};
use crate::value::wrong_array;
use crate::zone::Zone;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, Int64Array};
use millstream_core::{Error, Result};

/// A unit of time in EXTRACT, FLOOR, TIMESTAMPADD and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
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
    pub(super) fn parse(name: &str) -> Result<Unit> {
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
    pub(super) fn millis(self) -> Option<i64> {
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
    pub(super) fn months(self) -> Option<i64> {
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
pub(super) fn unit_of(args: &CallArgs<'_>, i: usize) -> Result<Unit> {
    Unit::parse(&args.symbol(i))
}

pub(super) fn units_per_ms(ty: &SqlType) -> i64 {
    match ty.kind {
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => units_per_second(time_unit(p)) / 1000,
        _ => 1,
    }
}

/// Local milliseconds since 1970 of each row of a DATE, TIME or timestamp argument.
pub(super) fn local_millis(args: &CallArgs<'_>, i: usize) -> Result<Int64Array> {
    let (array, _) = args.raw(i)?;
    let array = if array.len() == args.rows { array.clone() } else { args.array(i)? };
    millis_of(&array, args.ty(i), Some(&args.context.zone))
}

/// Milliseconds since 1970: local ones with a zone, else of the instant.
pub(super) fn millis_of(array: &ArrayRef, ty: &SqlType, zone: Option<&Zone>) -> Result<Int64Array> {
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
