//! Values as text: what Flink's SQL client shows, what CAST AS STRING gives, and literals.
//!
//! Client and cast agree but for one thing: a cast turns bytes into the text they encode,
//! the client shows them as `x'..'` (and so does a cast of an ARRAY or ROW that holds them).
//!
//! Texts are appended to a buffer that the caller reuses, so a column of a million values
//! does not allocate a million strings.

use std::fmt::Write;

use arrow_array::{Array, ArrayRef};
use arrow_schema::TimeUnit;
use millstream_core::Result;

use crate::calendar::{DAY_MS, civil_of_days};
use crate::types::{SqlType, TypeKind, time_unit};
use crate::value::{Value, value_at};
use crate::zone::Zone;

/// The text that Flink's SQL client shows for a value; `None` for NULL.
///
/// ```
/// use millstream_sql::{text::client_text, types::SqlType, value::Value, zone::Zone};
/// let ty = SqlType::array(SqlType::decimal(4, 2));
/// let value = Value::Array(vec![Value::Decimal(150), Value::Null]);
/// assert_eq!(client_text(&value, &ty, &Zone::UTC).as_deref(), Some("[1.50, NULL]"));
/// ```
pub fn client_text(value: &Value, ty: &SqlType, zone: &Zone) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut out = String::new();
    write_value(&mut out, value, ty, zone);
    Some(out)
}

/// The texts of a whole column as the client shows them; `None` for NULL.
///
/// # Errors
/// Bug: the array is not of the Arrow type that belongs to `ty`.
pub fn client_texts(array: &ArrayRef, ty: &SqlType, zone: &Zone) -> Result<Vec<Option<String>>> {
    (0..array.len()).map(|row| Ok(client_text(&value_at(array, ty, row)?, ty, zone))).collect()
}

/// Appends the client's text of a value; NULL is `NULL`, as inside collections.
pub fn write_value(out: &mut String, value: &Value, ty: &SqlType, zone: &Zone) {
    match (value, &ty.kind) {
        (Value::Null, _) => out.push_str("NULL"),
        (Value::Boolean(v), _) => out.push_str(if *v { "TRUE" } else { "FALSE" }),
        (Value::Int(v), _) => write_int(out, *v),
        (Value::Float(v), TypeKind::Float) => write_float(out, *v as f32),
        (Value::Float(v), _) => write_double(out, *v),
        (Value::Decimal(v), TypeKind::Decimal { scale, .. }) => write_decimal(out, *v, *scale),
        (Value::Decimal(v), _) => write_decimal(out, *v, 0),
        (Value::Text(v), _) => out.push_str(v),
        (Value::Bytes(v), _) => {
            out.push_str("x'");
            write_hex(out, v);
            out.push('\'');
        }
        (Value::Date(v), _) => write_date(out, (*v).into()),
        (Value::Time(v), TypeKind::Time(p)) => write_time(out, *v, *p),
        (Value::Time(v), _) => write_time(out, *v, 3),
        (Value::Timestamp(v), TypeKind::TimestampLtz(p)) => {
            write_timestamp(out, *v, *p, time_unit(*p), zone);
        }
        (Value::Timestamp(v), TypeKind::Timestamp(p)) => {
            write_timestamp(out, *v, *p, time_unit(*p), &Zone::UTC);
        }
        (Value::Timestamp(v), _) => write_int(out, *v),
        (Value::Interval(v), TypeKind::IntervalYearMonth) => write_months(out, *v),
        (Value::Interval(v), _) => write_millis(out, *v),
        (Value::Array(items), TypeKind::Array(element)) => {
            write_list(out, '[', ']', items.iter(), |out, v| write_value(out, v, element, zone));
        }
        (Value::Map(entries), TypeKind::Map(key, value)) => {
            write_list(out, '{', '}', entries.iter(), |out, (k, v)| {
                write_value(out, k, key, zone);
                out.push('=');
                write_value(out, v, value, zone);
            });
        }
        (Value::Map(entries), TypeKind::Multiset(element)) => {
            write_list(out, '{', '}', entries.iter(), |out, (k, v)| {
                write_value(out, k, element, zone);
                out.push('=');
                write_value(out, v, &SqlType::int(), zone);
            });
        }
        (Value::Row(items), TypeKind::Row(fields)) => {
            write_list(out, '(', ')', items.iter().zip(fields), |out, (v, field)| {
                write_value(out, v, &field.ty, zone);
            });
        }
        // A value beside a type it does not belong to cannot come from an array.
        (other, _) => {
            let _ = write!(out, "{other:?}");
        }
    }
}

fn write_list<T>(
    out: &mut String,
    open: char,
    close: char,
    items: impl Iterator<Item = T>,
    mut write_item: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_item(out, item);
    }
    out.push(close);
}

/// A literal as SQL would write it, for plans and messages.
pub fn literal_text(value: &Value, ty: &SqlType) -> String {
    let plain = |prefix: &str| {
        let text = client_text(value, ty, &Zone::UTC).unwrap_or_default();
        format!("{prefix}'{text}'")
    };
    match (value, &ty.kind) {
        (Value::Text(v), _) => format!("'{}'", v.replace('\'', "''")),
        (Value::Date(_), _) => plain("DATE "),
        (Value::Time(_), _) => plain("TIME "),
        (Value::Timestamp(_), TypeKind::Timestamp(_)) => plain("TIMESTAMP "),
        (Value::Timestamp(_), _) => plain("TIMESTAMP_LTZ "),
        (Value::Interval(v), TypeKind::IntervalYearMonth) => format!("INTERVAL '{v}' MONTH"),
        (Value::Interval(v), _) => {
            let (s, ms) = (v / 1000, (v % 1000).abs());
            let sign = if *v < 0 && s == 0 { "-" } else { "" };
            let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
            format!("INTERVAL '{sign}{s}{fraction}' SECOND")
        }
        _ => client_text(value, ty, &Zone::UTC).unwrap_or_else(|| "NULL".into()),
    }
}

/// Java's `BigDecimal.toString` of a number as it is written, with or without an exponent;
/// `strip` drops zeros at the end first.
pub fn java_decimal(number: &str, strip: bool) -> String {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let mut scale = fraction.len() as i64 - exponent;
    let joined = format!("{whole}{fraction}");
    let mut digits = joined.trim_start_matches('0');
    if digits.is_empty() {
        (digits, scale) = ("0", if strip { 0 } else { scale });
    }
    if strip && digits != "0" {
        let short = digits.trim_end_matches('0');
        scale -= (digits.len() - short.len()) as i64;
        digits = short;
    }
    let sign = if digits == "0" { "" } else { sign };
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if scale > 0 && adjusted >= -6 {
        let scale = scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{adjusted:+}")
}

/// Appends an integer.
pub fn write_int(out: &mut String, value: i64) {
    let _ = write!(out, "{value}");
}

/// Appends bytes as pairs of hexadecimal digits, in lower case.
pub fn write_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Appends a DECIMAL with all digits of its scale.
pub fn write_decimal(out: &mut String, value: i128, scale: u8) {
    let scale = usize::from(scale);
    if scale == 0 {
        let _ = write!(out, "{value}");
        return;
    }
    if value < 0 {
        out.push('-');
    }
    let power = 10_u128.pow(scale as u32);
    let absolute = value.unsigned_abs();
    let _ = write!(out, "{}.{:0scale$}", absolute / power, absolute % power);
}

/// Appends a DOUBLE as Java prints it.
pub fn write_double(out: &mut String, value: f64) {
    if write_special(out, value) {
        return;
    }
    write_java(out, &format!("{value:e}"));
}

/// Appends a FLOAT as Java prints it.
pub fn write_float(out: &mut String, value: f32) {
    if write_special(out, value.into()) {
        return;
    }
    let shortest = format!("{value:e}");
    // Java (before 19) does not take the shortest digits if they lie exactly between two
    // floats, though reading them gives the float back: 3.0000001E10, not 3.0E10.
    let exact: f64 = shortest.parse().unwrap_or(value.into());
    let bits = value.to_bits();
    let between = |other: f32| (f64::from(value) + f64::from(other)) / 2.0 == exact;
    let tie = exact != f64::from(value)
        && (between(f32::from_bits(bits.wrapping_add(1)))
            || between(f32::from_bits(bits.wrapping_sub(1))));
    if !tie {
        return write_java(out, &shortest);
    }
    let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
    for precision in digits..10 {
        let longer = format!("{value:.precision$e}");
        let read: f64 = longer.parse().unwrap_or(value.into());
        if longer.parse() == Ok(value) && !(read == exact) {
            return write_java(out, &longer);
        }
    }
    write_java(out, &shortest);
}

fn write_special(out: &mut String, value: f64) -> bool {
    let text = if value.is_nan() {
        "NaN"
    } else if value == f64::INFINITY {
        "Infinity"
    } else if value == f64::NEG_INFINITY {
        "-Infinity"
    } else {
        return false;
    };
    out.push_str(text);
    true
}

/// Rewrites `d.ddde±x` in Java's form: plain from 0.001 to 10 million, else `d.dEx`, always
/// with a digit on both sides of the point.
fn write_java(out: &mut String, scientific: &str) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.push('-');
            rest
        }
        None => mantissa,
    };
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let rest = rest.trim_end_matches('0');
    if first == "0" {
        out.push_str("0.0");
        return;
    }
    match exponent {
        0..=6 => {
            let whole = exponent as usize;
            out.push_str(first);
            for i in 0..whole {
                out.push(rest.as_bytes().get(i).map_or('0', |b| char::from(*b)));
            }
            out.push('.');
            out.push_str(rest.get(whole..).filter(|r| !r.is_empty()).unwrap_or("0"));
        }
        -3..=-1 => {
            out.push_str("0.");
            for _ in 0..(-exponent - 1) {
                out.push('0');
            }
            out.push_str(first);
            out.push_str(rest);
        }
        _ => {
            out.push_str(first);
            out.push('.');
            out.push_str(if rest.is_empty() { "0" } else { rest });
            let _ = write!(out, "E{exponent}");
        }
    }
}

/// Appends the last two digits of a number that is not negative.
pub(crate) fn push_two(out: &mut String, number: i64) {
    out.push(char::from(b'0' + (number / 10 % 10) as u8));
    out.push(char::from(b'0' + (number % 10) as u8));
}

/// Appends `yyyy-MM-dd` for days since 1970-01-01.
pub fn write_date(out: &mut String, days: i64) {
    let date = civil_of_days(days);
    if (0..=9999).contains(&date.year) {
        push_two(out, i64::from(date.year / 100));
        push_two(out, i64::from(date.year % 100));
    } else {
        let _ = write!(out, "{:04}", date.year);
    }
    out.push('-');
    push_two(out, date.month.into());
    out.push('-');
    push_two(out, date.day.into());
}

fn write_clock(out: &mut String, seconds: i64) {
    push_two(out, seconds / 3600);
    out.push(':');
    push_two(out, seconds / 60 % 60);
    out.push(':');
    push_two(out, seconds % 60);
}

fn write_fraction(out: &mut String, nanos: i64, precision: u8) {
    if precision > 0 {
        let digits = format!("{nanos:09}");
        out.push('.');
        out.push_str(&digits[..usize::from(precision.min(9))]);
    }
}

/// Appends `HH:mm:ss` and up to `precision` digits of the second, for milliseconds of the day.
///
/// Unlike a timestamp's, zeros at the end of the fraction are left out, but for the first digit.
pub fn write_time(out: &mut String, millis: i32, precision: u8) {
    let millis = i64::from(millis).rem_euclid(DAY_MS);
    write_clock(out, millis / 1000);
    let mut fraction = millis % 1000;
    for place in 0..precision {
        if place == 0 {
            out.push('.');
        } else if fraction == 0 {
            break;
        }
        out.push(char::from(b'0' + (fraction / 100) as u8));
        fraction = fraction % 100 * 10;
    }
}

/// Units of one second.
pub fn units_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Appends `yyyy-MM-dd HH:mm:ss` and `precision` digits, on the clocks of `zone`.
pub fn write_timestamp(out: &mut String, value: i64, precision: u8, unit: TimeUnit, zone: &Zone) {
    let per_second = units_per_second(unit);
    let instant = value.div_euclid(per_second);
    let seconds = instant + i64::from(zone.offset_at(instant));
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    write_date(out, seconds.div_euclid(86_400));
    out.push(' ');
    write_clock(out, seconds.rem_euclid(86_400));
    write_fraction(out, nanos, precision);
}

/// Appends an interval of months: `+1-06`.
pub fn write_months(out: &mut String, months: i64) {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.unsigned_abs();
    let _ = write!(out, "{sign}{}-{:02}", months / 12, months % 12);
}

/// Appends an interval of milliseconds: `+1 02:03:04.005`.
pub fn write_millis(out: &mut String, millis: i64) {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let day = DAY_MS.unsigned_abs();
    let _ = write!(out, "{sign}{} ", millis / day);
    write_clock(out, (millis % day / 1000) as i64);
    let _ = write!(out, ".{:03}", millis % 1000);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(v: f64) -> String {
        let mut out = String::new();
        write_double(&mut out, v);
        out
    }

    #[test]
    fn floating_numbers_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.9, "1.9"),
            (3.0e10, "3.0E10"),
            (1e300, "1.0E300"),
            (1e-7, "1.0E-7"),
            (0.001, "0.001"),
            (0.00099, "9.9E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (123_456.789, "123456.789"),
            (-1.234_567_890_123_456_7e19, "-1.2345678901234567E19"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        let mut out = String::new();
        write_float(&mut out, 3.0e10);
        out.push(' ');
        write_float(&mut out, 0.1);
        assert_eq!(out, "3.0000001E10 0.1");
    }

    #[test]
    fn times_and_intervals() {
        let text = |value, ty: SqlType| client_text(&value, &ty, &Zone::Fixed(3600));
        let kathmandu = Zone::parse("Asia/Kathmandu").unwrap();
        let ltz = client_text(&Value::Timestamp(-1), &SqlType::timestamp_ltz(3), &kathmandu);
        assert_eq!(ltz.as_deref(), Some("1970-01-01 05:29:59.999"));
        let stamp = text(Value::Timestamp(-1), SqlType::timestamp(3));
        assert_eq!(stamp.as_deref(), Some("1969-12-31 23:59:59.999"));
        let clock = |millis, precision| {
            text(Value::Time(millis), SqlType::new(TypeKind::Time(precision))).unwrap()
        };
        assert_eq!([clock(1_000, 0), clock(1_000, 3)], ["00:00:01", "00:00:01.0"]);
        assert_eq!([clock(1_120, 3), clock(1_123, 1)], ["00:00:01.12", "00:00:01.1"]);
        let interval = SqlType::new(TypeKind::IntervalDaySecond);
        let day = text(Value::Interval(-93_600_001), interval);
        assert_eq!(day.as_deref(), Some("-1 02:00:00.001"));
        let months = text(Value::Interval(36), SqlType::new(TypeKind::IntervalYearMonth));
        assert_eq!(months.as_deref(), Some("+3-00"));
        assert_eq!(text(Value::Decimal(-5), SqlType::decimal(4, 3)).as_deref(), Some("-0.005"));
    }
}
