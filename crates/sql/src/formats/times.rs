//! Dates and times as formats write them: SQL and ISO-8601.
//!
//! | | SQL | ISO-8601 |
//! |---|---|---|
//! | TIMESTAMP | `2024-02-29 23:59:59.123` | `2024-02-29T23:59:59.123` |
//! | TIMESTAMP_LTZ | `2024-02-29 23:59:59.123Z` | `2024-02-29T23:59:59.123Z` |
//!
//! Stricter than CAST: two digits each, and no part left out but the fraction (and in
//! ISO-8601 the seconds). Source: Flink's page on the JSON format.

use crate::calendar::{days_of_civil, days_of_month};
use crate::text::{units_per_second, write_date};
use arrow_schema::TimeUnit;

/// `timestamp-format.standard`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeStandard {
    /// A blank between date and time.
    #[default]
    Sql,
    /// A `T` between date and time.
    Iso,
}

/// A number of exactly `N` digits at the start.
fn digits<const N: usize>(text: &[u8]) -> Option<(i32, &[u8])> {
    let (head, rest) = text.split_first_chunk::<N>()?;
    let mut number = 0;
    for byte in head {
        number = number * 10 + i32::from(byte.checked_sub(b'0').filter(|d| *d < 10)?);
    }
    Some((number, rest))
}

fn eat(text: &[u8], byte: u8) -> Option<&[u8]> {
    text.split_first().filter(|(first, _)| **first == byte).map(|(_, rest)| rest)
}

/// Days since 1970 at the start; `lenient`: days up to 31 that a month lacks are its last.
fn date_part(text: &[u8], lenient: bool) -> Option<(i64, &[u8])> {
    let (year, text) = digits::<4>(text)?;
    let (month, text) = digits::<2>(eat(text, b'-')?)?;
    let (day, text) = digits::<2>(eat(text, b'-')?)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let last = days_of_month(year, month);
    (lenient || day <= last).then(|| (days_of_civil(year, month, day.min(last)), text))
}

/// Nanoseconds of the day at the start.
fn clock_part(text: &[u8], standard: TimeStandard) -> Option<(i64, &[u8])> {
    let (hour, text) = digits::<2>(text)?;
    let (minute, text) = digits::<2>(eat(text, b':')?)?;
    let (second, mut text) = match eat(text, b':') {
        Some(text) => digits::<2>(text)?,
        None if standard == TimeStandard::Iso => (0, text),
        None => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut nanos = 0_i64;
    if let Some(fraction) = eat(text, b'.') {
        let count = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if count > 9 || (count == 0 && standard == TimeStandard::Iso) {
            return None;
        }
        for byte in &fraction[..count] {
            nanos = nanos * 10 + i64::from(byte - b'0');
        }
        nanos *= 10_i64.pow(9 - count as u32);
        text = &fraction[count..];
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some((seconds * 1_000_000_000 + nanos, text))
}

/// Days since 1970 of `yyyy-MM-dd`.
pub(crate) fn date(text: &str) -> Option<i64> {
    date_part(text.as_bytes(), false).filter(|(_, rest)| rest.is_empty()).map(|(days, _)| days)
}

/// Milliseconds of the day of `HH:mm:ss[.fraction]`, with a `Z` or not.
pub(crate) fn time(text: &str, standard: TimeStandard) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text).as_bytes();
    let (nanos, rest) = clock_part(text, standard)?;
    rest.is_empty().then_some(nanos / 1_000_000)
}

/// A point in time in `unit` since 1970; `zoned`: there must be a `Z` at the end.
///
/// `None` also when the unit does not reach that far.
pub(crate) fn timestamp(
    text: &str,
    standard: TimeStandard,
    zoned: bool,
    unit: TimeUnit,
) -> Option<i64> {
    let text = if zoned { text.strip_suffix('Z')? } else { text };
    let (days, rest) = date_part(text.as_bytes(), true)?;
    let between = if standard == TimeStandard::Iso { b'T' } else { b' ' };
    let (nanos, rest) = clock_part(eat(rest, between)?, standard)?;
    if !rest.is_empty() {
        return None;
    }
    let per_second = units_per_second(unit);
    let of_day = i128::from(nanos) * i128::from(per_second) / 1_000_000_000;
    i64::try_from(i128::from(days) * 86_400 * i128::from(per_second) + of_day).ok()
}

fn write_clock(out: &mut String, seconds: i64, nanos: i64) {
    use std::fmt::Write;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// Appends `HH:mm:ss` with as many digits behind as there are.
pub(crate) fn write_time(out: &mut String, millis: i64) {
    let millis = millis.rem_euclid(86_400_000);
    write_clock(out, millis / 1000, millis % 1000 * 1_000_000);
}

/// Appends a point in time, with as many digits of the second as there are.
pub(crate) fn write_timestamp(
    out: &mut String,
    value: i64,
    standard: TimeStandard,
    zoned: bool,
    unit: TimeUnit,
) {
    let per_second = units_per_second(unit);
    let seconds = value.div_euclid(per_second);
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    write_date(out, seconds.div_euclid(86_400));
    out.push(if standard == TimeStandard::Iso { 'T' } else { ' ' });
    write_clock(out, seconds.rem_euclid(86_400), nanos);
    if zoned {
        out.push('Z');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use TimeStandard::*;

    #[test]
    fn times_come_back() {
        for (text, standard, zoned) in [
            ("2024-02-29 23:59:59.123", Sql, false),
            ("1969-12-31T23:59:59.999Z", Iso, true),
            ("2024-02-29 23:59:59", Sql, false),
            ("0001-01-01 00:00:00Z", Sql, true),
        ] {
            let value = timestamp(text, standard, zoned, TimeUnit::Millisecond).unwrap();
            let mut out = String::new();
            write_timestamp(&mut out, value, standard, zoned, TimeUnit::Millisecond);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn what_is_refused() {
        let ms = |text, standard, zoned| timestamp(text, standard, zoned, TimeUnit::Millisecond);
        for bad in ["2024-2-29 00:00:00", "2024-02-29T00:00:00", "2024-02-29 00:00", "", "x"] {
            assert_eq!(ms(bad, Sql, false), None, "{bad}");
        }
        assert_eq!(ms("2024-02-29 00:00:00", Sql, true), None);
        assert_eq!(ms("2024-02-29T00:00", Iso, false), Some(19_782 * 86_400_000));
        assert_eq!(
            ms("2023-02-30 00:00:00", Sql, false),
            ms("2023-02-28 00:00:00", Sql, false),
            "Java's smart resolver"
        );
        assert_eq!(date("2023-02-29"), None);
        assert_eq!(timestamp("9999-12-31 00:00:00", Sql, false, TimeUnit::Nanosecond), None);
        assert_eq!(time("07:00:01.5", Sql), Some(25_201_500));
    }
}
