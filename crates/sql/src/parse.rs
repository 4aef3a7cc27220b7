//! Reads text as values: what CAST from text accepts.
//!
//! Each function gives Flink's complaint as a Data error. They are strict where Flink is
//! (`1e3` is no INT) and lenient where it is (`3.99` is the INT 3, `2023-02-29` the
//! TIMESTAMP of the 28th).

use millstream_core::{Error, Result};

use crate::calendar::{days_of_civil, days_of_month};
use crate::decimal::NotDecimal;

fn malformed(text: &str, detail: &str) -> Error {
    Error::data(format!("For input string: '{text}'.{detail}"))
        .advice("use TRY_CAST to get NULL for text that cannot be read")
}

/// TRUE for t, true, y, yes, 1; FALSE for f, false, n, no, 0; in any case.
///
/// # Errors
/// Data: any other text.
pub fn boolean(text: &str) -> Result<bool> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["t", "true", "y", "yes", "1"]) {
        Ok(true)
    } else if is(&["f", "false", "n", "no", "0"]) {
        Ok(false)
    } else {
        Err(Error::data(format!("Cannot parse '{text}' as BOOLEAN."))
            .advice("use TRY_CAST to get NULL for text that cannot be read"))
    }
}

/// A whole number; blanks around it and a fraction behind it are dropped.
///
/// # Errors
/// Data: no number, or outside `min..=max`.
pub fn integer(text: &str, min: i64, max: i64) -> Result<i64> {
    let trimmed = text.trim_matches(' ');
    let bytes = trimmed.as_bytes();
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() {
        return Err(malformed(text, " Invalid character found."));
    }
    let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
    let fraction = digits.get(point + 1..).unwrap_or_default();
    if !digits[..point].iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(malformed(text, " Invalid character found."));
    }
    let mut value: i64 = 0;
    for digit in &digits[..point] {
        let digit = i64::from(digit - b'0');
        // Counted downwards, because the smallest number has no positive counterpart.
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_sub(digit))
            .ok_or_else(|| malformed(text, " Overflow."))?;
    }
    let value = if negative { Some(value) } else { value.checked_neg() };
    value.filter(|v| (min..=max).contains(v)).ok_or_else(|| malformed(text, " Overflow."))
}

/// A floating number as Java reads it.
///
/// # Errors
/// Data: no number.
pub fn float(text: &str) -> Result<f64> {
    let trimmed = text.trim();
    let number = trimmed.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(trimmed);
    let plain =
        number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    let special =
        matches!(trimmed, "NaN" | "+NaN" | "-NaN" | "Infinity" | "+Infinity" | "-Infinity");
    let number = if special { trimmed } else { number };
    if !(plain || special) {
        return Err(malformed(text, ""));
    }
    number.parse().map_err(|_| malformed(text, ""))
}

/// A DECIMAL; `None` if it has too many digits.
///
/// # Errors
/// Data: no number.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Result<Option<i128>> {
    match crate::decimal::parse(text.trim(), precision, scale) {
        Ok(value) => Ok(Some(value)),
        Err(NotDecimal::Overflow) => Ok(None),
        Err(NotDecimal::Malformed) => Err(malformed(text, " Invalid character found.")),
    }
}

fn number(text: &str) -> Option<i32> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970-01-01 of `yyyy[-M[-d]]`; what follows a blank is dropped.
///
/// # Errors
/// Data: no date of the years 0 to 9999.
pub fn date(text: &str) -> Result<i64> {
    date_parts(text).ok_or_else(|| malformed(text, ""))
}

fn date_parts(text: &str) -> Option<i64> {
    let day = text.trim().split(' ').next()?;
    let mut parts = day.splitn(3, '-');
    let year = number(parts.next()?)?;
    let month = parts.next().map_or(Some(1), number)?;
    let day = parts.next().map_or(Some(1), number)?;
    let sound = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day);
    sound.then(|| days_of_civil(year, month, day))
}

/// Milliseconds of the day of `H[:m[:s[.fraction]]]`.
///
/// # Errors
/// Data: no time of day.
pub fn time(text: &str) -> Result<i32> {
    time_parts(text.trim()).ok_or_else(|| malformed(text, ""))
}

fn time_parts(text: &str) -> Option<i32> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.splitn(3, ':');
    let hour = number(parts.next()?)?;
    let minute = parts.next().map_or(Some(0), number)?;
    let second = parts.next().map_or(Some(0), number)?;
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Only seconds have a fraction.
    if clock.len() < text.len() && clock.bytes().filter(|b| *b == b':').count() < 2 {
        return None;
    }
    let millis = (nanos(fraction)? / 1_000_000) as i32;
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// Nanoseconds of the digits behind the point; more than nine are cut off.
fn nanos(fraction: &str) -> Option<i64> {
    let kept = fraction.get(..fraction.len().min(9))?;
    let value: i64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some(value * 10_i64.pow(9 - kept.len() as u32))
}

/// Seconds since 1970 and nanoseconds of `yyyy-M-d[ H:m:s[.fraction]]`, without a zone.
///
/// # Errors
/// Data: no such date and time. Days up to 31 that a month lacks mean its last day.
pub fn timestamp(text: &str) -> Result<(i64, i64)> {
    timestamp_parts(text).ok_or_else(|| malformed(text, ""))
}

fn timestamp_parts(text: &str) -> Option<(i64, i64)> {
    let (day, clock) = match text.split_once(' ') {
        Some((day, clock)) => (day, Some(clock)),
        None => (text, None),
    };
    let two = |part: &str| number(part).filter(|_| part.len() <= 2);
    let mut parts = day.splitn(3, '-');
    let year = parts.next().filter(|y| y.len() == 4).and_then(number)?;
    let (month, day) = (two(parts.next()?)?, two(parts.next()?)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_of_civil(year, month, day.min(days_of_month(year, month)));
    let (seconds, nanos) = match clock {
        None => (0, 0),
        Some(clock) => {
            let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
            let mut parts = clock.splitn(3, ':');
            let mut next = || parts.next().and_then(two);
            let (hour, minute, second) = (next()?, next()?, next()?);
            let digits = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
            if hour > 23 || minute > 59 || second > 59 || !digits {
                return None;
            }
            (i64::from((hour * 60 + minute) * 60 + second), nanos(fraction)?)
        }
    };
    Some((days * 86_400 + seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let int = |t| integer(t, i32::MIN.into(), i32::MAX.into()).ok();
        for (text, expected) in [
            ("42", Some(42)),
            ("  17 ", Some(17)),
            ("+7", Some(7)),
            ("-3.99", Some(-3)),
            (".5", Some(0)),
            ("5.", Some(5)),
            ("007", Some(7)),
            ("1e3", None),
            ("", None),
            ("0x1F", None),
            ("1_000", None),
            ("2147483648", None),
            ("-2147483648", Some(i64::from(i32::MIN))),
            ("99999999999999999999", None),
        ] {
            assert_eq!(int(text), expected, "{text:?}");
        }
        let error = integer("twelve", 0, 9).unwrap_err();
        assert_eq!(error.message(), "For input string: 'twelve'. Invalid character found.");
    }

    #[test]
    fn times() {
        assert!(date("2024-02-30").is_err());
        assert_eq!(date("2024-2-9").unwrap(), days_of_civil(2024, 2, 9));
        assert_eq!(date("2024-02-29 25:00:00").unwrap(), days_of_civil(2024, 2, 29));
        for bad in ["", "20240229", "2024-02-29T13:14:15", "-0044-03-15", "2024-13-01"] {
            assert!(date(bad).is_err() && timestamp(bad).is_err(), "{bad:?}");
        }
        let late_february = days_of_civil(2023, 2, 28) * 86_400;
        assert_eq!(timestamp("2023-02-29").unwrap(), (late_february, 0));
        assert_eq!(timestamp("2023-02-28 0:0:1.5").unwrap(), (late_february + 1, 500_000_000));
        assert_eq!(time("7:8:9").unwrap(), 25_689_000);
        assert_eq!(time("13:14").unwrap(), 47_640_000);
        for bad in ["", "20240229", "24:00:00", "2024-02-29", "1:2:x", "3.99", "5.", "13:14.5"] {
            assert!(time(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn floats() {
        assert_eq!(float(" 1.5e3 ").unwrap(), 1500.0);
        assert_eq!(float("2f").unwrap(), 2.0);
        assert!(float("Infinity").unwrap().is_infinite());
        for bad in ["", "inf", "nan", "0x10", "1_0", "one"] {
            assert!(float(bad).is_err(), "{bad:?}");
        }
    }
}
