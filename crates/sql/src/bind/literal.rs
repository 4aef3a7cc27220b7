//! Constants: numbers, dates and times, intervals, types as written.
//!
//! Source: Calcite's rules for the types of literals, as Flink shows them with TYPEOF.

use crate::dialect::ast::{IntervalUnit, TimeUnit};
use crate::expr::{EvalContext, Expr, fold};
use crate::types::{SqlType, TypeKind};
use crate::value::Value;
use millstream_core::{Error, Result};

/// A number: INT or BIGINT if it fits, DECIMAL with a point, DOUBLE with an exponent.
pub(super) fn number(text: &str) -> Result<Expr> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().map_err(|_| bad(text, "a number"))?;
        if value.is_infinite() {
            return Err(Error::config(format!("numeric literal '{text}' out of range"))
                .advice("write a number below 1.8E308"));
        }
        return Ok(Expr::double(value));
    }
    if let Some((whole, fraction)) = digits.split_once('.') {
        // A point with nothing behind it makes no DECIMAL.
        if fraction.is_empty() && !whole.is_empty() {
            return number(text.trim_end_matches('.'));
        }
        let precision = (whole.len() + fraction.len()).max(1);
        return decimal(text, precision, fraction.len());
    }
    if let Ok(value) = text.parse::<i32>() {
        return Ok(Expr::int(value));
    }
    if let Ok(value) = text.parse::<i64>() {
        return Ok(Expr::bigint(value));
    }
    decimal(text, digits.len(), 0)
}

fn decimal(text: &str, precision: usize, scale: usize) -> Result<Expr> {
    let all: String = text.chars().filter(|c| *c != '.').collect();
    // All digits together must fit into 64 bits, as in Flink.
    let value = i128::from(all.parse::<i64>().map_err(|_| too_large(text))?);
    let (Ok(precision), Ok(scale)) = (u8::try_from(precision), u8::try_from(scale)) else {
        return Err(too_large(text));
    };
    if precision > 38 {
        return Err(too_large(text));
    }
    Ok(Expr::literal(Value::Decimal(value), SqlType::decimal(precision, scale)))
}

fn too_large(text: &str) -> Error {
    Error::config(format!("numeric literal '{text}' out of range"))
        .advice("write more than 18 digits as a text: CAST('...' AS DECIMAL(38, 0))")
}

fn bad(text: &str, what: &str) -> Error {
    Error::config(format!("'{text}' is not {what}"))
}

/// `x'0A1F'`.
pub(super) fn binary(digits: &str) -> Expr {
    let pair = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).unwrap_or(0);
    let bytes: Vec<u8> = (0..digits.len() / 2).map(|i| pair(2 * i)).collect();
    let ty = SqlType::binary(bytes.len() as u32);
    Expr::literal(Value::Bytes(bytes), ty)
}

/// Digits behind the last point of a time.
pub(super) fn fraction_digits(text: &str) -> u8 {
    let digits = text.rsplit_once('.').map_or(0, |(_, f)| f.trim_end().len());
    digits.min(9) as u8
}

/// `DATE '...'`, `TIME '...'`, `TIMESTAMP '...'`.
pub(super) fn temporal(text: &str, ty: SqlType) -> Result<Expr> {
    let (shape, example) = match ty.kind {
        TypeKind::Date => ("a date", "yyyy-MM-dd"),
        TypeKind::Time(_) => ("a time", "HH:mm:ss"),
        _ => ("a timestamp", "yyyy-MM-dd HH:mm:ss"),
    };
    let wrong = || {
        let what = format!("illegal {} literal '{text}': not {shape}", ty.base_text());
        Error::config(what).advice(format!("write it as '{example}'"))
    };
    let cast = Expr::text(text).cast(ty.clone(), true)?;
    let folded = fold(cast, &EvalContext::utc())?;
    match folded.as_literal() {
        Some(Value::Null) | None => Err(wrong()),
        Some(value) => Ok(Expr::literal(value.clone(), ty.clone())),
    }
}

/// `INTERVAL '1 02:03' DAY TO MINUTE`.
pub(super) fn interval(negative: bool, text: &str, unit: &IntervalUnit) -> Result<Expr> {
    let months = matches!(unit.from, TimeUnit::Year | TimeUnit::Quarter | TimeUnit::Month);
    let amount = amount(text, unit)?;
    let signed = if negative { -amount } else { amount };
    let kind = if months { TypeKind::IntervalYearMonth } else { TypeKind::IntervalDaySecond };
    Ok(Expr::literal(Value::Interval(signed), SqlType::new(kind)))
}

/// Months or milliseconds.
fn amount(text: &str, unit: &IntervalUnit) -> Result<i64> {
    let name = match unit.to {
        Some(to) => format!("{} TO {}", unit.from.name(), to.name()),
        None => unit.from.name().to_owned(),
    };
    let wrong = || {
        Error::config(format!("illegal interval literal '{text}' for INTERVAL {name}"))
            .advice("for example INTERVAL '10' SECOND or INTERVAL '1 02:03:04' DAY TO SECOND")
    };
    let trimmed = text.trim();
    let (sign, body) = match trimmed.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let units = units_between(unit.from, unit.to).ok_or_else(wrong)?;
    let parts: Vec<&str> = match units.as_slice() {
        [_] => vec![body],
        [TimeUnit::Year, TimeUnit::Month] => body.split('-').collect(),
        _ => body.split([' ', ':']).filter(|p| !p.is_empty()).collect(),
    };
    if parts.len() != units.len() {
        return Err(wrong());
    }
    let mut total: i64 = 0;
    for (i, (part, unit_here)) in parts.iter().zip(&units).enumerate() {
        let (whole, fraction) = match part.split_once('.') {
            Some((w, f)) if *unit_here == TimeUnit::Second => (w, f),
            Some(_) => return Err(wrong()),
            None => (*part, ""),
        };
        let number: i64 = match whole {
            "" if !fraction.is_empty() => 0,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| wrong())?
            }
            _ => return Err(wrong()),
        };
        if i == 0 {
            let precision = unit.precision.unwrap_or(2);
            if number.to_string().len() > precision as usize {
                let what = format!(
                    "interval field value {number} exceeds precision of {}({precision}) field",
                    unit_here.name()
                );
                let advice = format!(
                    "write the number of digits: INTERVAL '{text}' {}({})",
                    unit_here.name(),
                    number.to_string().len()
                );
                return Err(Error::config(what).advice(advice));
            }
        } else if number >= limit(*unit_here) {
            return Err(wrong());
        }
        let one = size(*unit_here).ok_or_else(wrong)?;
        total = number.checked_mul(one).and_then(|n| total.checked_add(n)).ok_or_else(wrong)?;
        if !fraction.is_empty() {
            if !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
                return Err(wrong());
            }
            let millis = format!("{fraction:0<3}");
            total += millis.get(..3).and_then(|m| m.parse::<i64>().ok()).ok_or_else(wrong)?;
        }
    }
    Ok(sign * total)
}

fn units_between(from: TimeUnit, to: Option<TimeUnit>) -> Option<Vec<TimeUnit>> {
    let Some(to) = to else { return Some(vec![from]) };
    let day = [TimeUnit::Day, TimeUnit::Hour, TimeUnit::Minute, TimeUnit::Second];
    if (from, to) == (TimeUnit::Year, TimeUnit::Month) {
        return Some(vec![from, to]);
    }
    let first = day.iter().position(|u| *u == from)?;
    let last = day.iter().position(|u| *u == to)?;
    (first < last).then(|| day[first..=last].to_vec())
}

/// The first value that a unit behind another one cannot have.
fn limit(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Month => 12,
        TimeUnit::Hour => 24,
        _ => 60,
    }
}

/// Months, or milliseconds, of one.
fn size(unit: TimeUnit) -> Option<i64> {
    Some(match unit {
        TimeUnit::Year => 12,
        TimeUnit::Quarter => 3,
        TimeUnit::Month => 1,
        TimeUnit::Week => 7 * 86_400_000,
        TimeUnit::Day => 86_400_000,
        TimeUnit::Hour => 3_600_000,
        TimeUnit::Minute => 60_000,
        TimeUnit::Second => 1_000,
        _ => return None,
    })
}
