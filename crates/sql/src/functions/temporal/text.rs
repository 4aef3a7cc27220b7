//! Times to text and back, by patterns, zones and seconds since 1970.

use super::ltz_3;
use super::unit::{millis_of, units_per_ms};
use crate::expr::Expr;
use crate::functions::args::Text;
use crate::functions::format::Pattern;
use crate::functions::{CallArgs, FunctionRef, call_expr};
use crate::stamps::{as_timestamps, timestamp_values};
use crate::text::{units_per_second, write_timestamp};
use crate::types::{Family, SqlType, TypeKind, time_unit};
use crate::value::{Value, wrong_array};
use crate::zone::Zone;
use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, Int64Array};
use millstream_core::{Error, Result};
use std::sync::Arc;

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

/// The pattern of each row: compiled once if it is the same for all.
struct Patterns<'a> {
    text: Option<Text<'a>>,
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

    /// Writes a time by the row's pattern; false if the pattern is NULL.
    fn write(
        &self,
        row: usize,
        out: &mut String,
        seconds: i64,
        nanos: i64,
        zone: &Zone,
    ) -> Result<bool> {
        let written = self.with(row, |p| {
            p.write(out, seconds, nanos, zone);
            Ok(Some(()))
        })?;
        Ok(written.is_some())
    }
}

pub(super) fn date_format(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let patterns = Patterns::of(args, 1, DEFAULT_PATTERN)?;
    if args.ty(0).is_text() {
        let texts = args.text(0)?;
        return args.map_text(|row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            let Ok((seconds, nanos)) = crate::parse::timestamp(text) else { return Ok(false) };
            patterns.write(row, out, seconds, nanos, &Zone::UTC)
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
        patterns.write(row, out, seconds, nanos, &zone)
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

pub(super) fn to_timestamp(args: &CallArgs<'_>) -> Result<ArrayRef> {
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

pub(super) fn to_timestamp_ltz(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
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

pub(super) fn run_to_timestamp_ltz(args: &CallArgs<'_>) -> Result<ArrayRef> {
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
        TypeKind::TimestampLtz(p) => units_per_second(time_unit(p)),
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

pub(super) fn to_date(args: &CallArgs<'_>) -> Result<ArrayRef> {
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

pub(super) fn from_unixtime(args: &CallArgs<'_>) -> Result<ArrayRef> {
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
        patterns.write(row, out, seconds, 0, &zone)
    })
}

pub(super) fn unix(args: &CallArgs<'_>) -> Result<ArrayRef> {
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

pub(super) fn convert_tz(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let pattern = Pattern::parse(DEFAULT_PATTERN)?;
    let fixed = |t: Text<'_>| {
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
