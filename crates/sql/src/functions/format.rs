//! Java's patterns of dates and times: `yyyy-MM-dd HH:mm:ss.SSS` and the like.
//!
//! Flink formats and reads with `DateTimeFormatter` (strict: `MM` is two digits, the text
//! must end with the pattern) in most functions, and with `SimpleDateFormat` (lenient: any
//! number of digits, fields may overflow, the rest is ignored) in UNIX_TIMESTAMP and
//! CONVERT_TZ.

use std::fmt::Write;

use millstream_core::{Error, Result};

use crate::calendar::{
    civil_of_days, day_of_year, days_of_civil, days_of_month, week_of_year, weekday,
};
use crate::text::push_two;
use crate::zone::{Zone, parse_offset};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A pattern taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

/// What a text says: local time, and its distance from UTC if it says that too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// Local seconds since 1970.
    pub(crate) seconds: i64,
    /// Nanoseconds of the second.
    pub(crate) nanos: i64,
    /// Seconds east of UTC.
    pub(crate) offset: Option<i32>,
}

impl Pattern {
    pub(crate) fn parse(pattern: &str) -> Result<Pattern> {
        let mut parts: Vec<Part> = Vec::new();
        let literal = |parts: &mut Vec<Part>, c: char| match parts.last_mut() {
            Some(Part::Literal(text)) => text.push(c),
            _ => parts.push(Part::Literal(c.to_string())),
        };
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    literal(&mut parts, '\'');
                }
                '\'' => loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal(&mut parts, '\'');
                        }
                        Some('\'') => break,
                        Some(c) => literal(&mut parts, c),
                        None => {
                            return Err(Error::data(format!(
                                "the pattern '{pattern}' has a quote that does not end"
                            )));
                        }
                    }
                },
                c if c.is_ascii_alphabetic() => {
                    if !"yuYMLdDHhkKmsSnNAaEecQqGwWFzZXxOV".contains(c) {
                        return Err(Error::data(format!(
                            "the pattern '{pattern}' has the letter '{c}', which is no field"
                        ))
                        .advice("put text in quotes: 'T'"));
                    }
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    parts.push(Part::Field(c, count));
                }
                c => literal(&mut parts, c),
            }
        }
        Ok(Pattern { parts })
    }

    /// Appends an instant on the clocks of `zone`.
    pub(crate) fn write(&self, out: &mut String, instant: i64, nanos: i64, zone: &Zone) {
        let offset = zone.offset_at(instant);
        let local = instant + i64::from(offset);
        let (days, in_day) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let date = civil_of_days(days);
        let hour = in_day / 3600;
        for part in &self.parts {
            let (letter, width) = match part {
                Part::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Field(letter, width) => (*letter, *width),
            };
            let mut number = |value: i64| match (width, value) {
                // Two digits are nearly all there is; they need no formatting machinery.
                (2, 0..100) => push_two(out, value),
                (4, 0..10_000) => {
                    push_two(out, value / 100);
                    push_two(out, value % 100);
                }
                _ => {
                    let _ = write!(out, "{value:0width$}");
                }
            };
            match letter {
                // Years of weeks are those of dates but for the days around New Year.
                'Y' => {
                    let year = i64::from(week_of_year(days).0);
                    number(if width == 2 { year.rem_euclid(100) } else { year });
                }
                'y' | 'u' if width == 2 => number(i64::from(date.year.rem_euclid(100))),
                'y' | 'u' => number(date.year.into()),
                'M' | 'L' if width <= 2 => number(date.month.into()),
                'M' | 'L' => {
                    let name = MONTHS[(date.month - 1) as usize];
                    out.push_str(match width {
                        3 => &name[..3],
                        5 => &name[..1],
                        _ => name,
                    });
                }
                'd' => number(date.day.into()),
                'D' => number(day_of_year(days)),
                'H' => number(hour),
                'h' => number(if hour % 12 == 0 { 12 } else { hour % 12 }),
                'k' => number(if hour == 0 { 24 } else { hour }),
                'K' => number(hour % 12),
                'm' => number(in_day / 60 % 60),
                's' => number(in_day % 60),
                'S' => {
                    let digits = format!("{nanos:09}");
                    out.push_str(&digits[..width.min(9)]);
                }
                'n' => number(nanos),
                'N' => number(in_day * 1_000_000_000 + nanos),
                'A' => number(in_day * 1_000 + nanos / 1_000_000),
                'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
                'E' => {
                    let name = DAYS[weekday(days) as usize];
                    out.push_str(match width {
                        ..=3 => &name[..3],
                        5 => &name[..1],
                        _ => name,
                    });
                }
                'e' | 'c' => number(weekday(days) + 1),
                'W' => {
                    // Weeks begin on Sunday.
                    let first = weekday(days - i64::from(date.day) + 1);
                    number((i64::from(date.day) - 1 + first) / 7 + 1);
                }
                'F' => number(i64::from((date.day - 1) % 7 + 1)),
                'Q' | 'q' => {
                    let quarter = (date.month - 1) / 3 + 1;
                    match width {
                        3 => _ = write!(out, "Q{quarter}"),
                        4 => {
                            let ordinal = ["1st", "2nd", "3rd", "4th"][quarter as usize - 1];
                            _ = write!(out, "{ordinal} quarter");
                        }
                        5 => _ = write!(out, "{quarter}"),
                        _ => number(quarter.into()),
                    }
                }
                'w' => number(week_of_year(days).1),
                'G' => {
                    let names = match width {
                        4 => ["Before Christ", "Anno Domini"],
                        5 => ["B", "A"],
                        _ => ["BC", "AD"],
                    };
                    out.push_str(names[usize::from(date.year > 0)]);
                }
                'X' if offset == 0 => out.push('Z'),
                'X' | 'x' | 'Z' | 'O' => {
                    let sign = if offset < 0 { '-' } else { '+' };
                    let minutes = offset.abs() / 60;
                    let colon = letter != 'Z' && width == 3;
                    let _ = write!(out, "{sign}{:02}", minutes / 60);
                    if width > 1 || letter == 'Z' || minutes % 60 != 0 {
                        let colon = if colon { ":" } else { "" };
                        let _ = write!(out, "{colon}{:02}", minutes % 60);
                    }
                }
                _ => match zone {
                    Zone::Fixed(0) => out.push_str("UTC"),
                    Zone::Fixed(_) => {
                        let sign = if offset < 0 { '-' } else { '+' };
                        let minutes = offset.abs() / 60;
                        let _ = write!(out, "GMT{sign}{:02}:{:02}", minutes / 60, minutes % 60);
                    }
                    Zone::Named(tz) => out.push_str(tz.name()),
                },
            }
        }
    }

    /// Reads a text that must follow the pattern to its end.
    pub(crate) fn read(&self, text: &str) -> Option<Read> {
        self.read_with(text, false)
    }

    /// Reads a text that may have more or fewer digits, and more text at the end.
    pub(crate) fn read_lenient(&self, text: &str) -> Option<Read> {
        self.read_with(text, true)
    }

    fn read_with(&self, text: &str, lenient: bool) -> Option<Read> {
        let mut rest = text;
        let (mut year, mut month, mut day) = (1970, 1, 1);
        let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
        let mut half_day = None;
        let mut day_in_year = None;
        let mut offset = None;
        for (i, part) in self.parts.iter().enumerate() {
            let (letter, width) = match part {
                Part::Literal(literal) => {
                    rest = rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Part::Field(letter, width) => (*letter, *width),
            };
            // Digits of a field that stands right before another one end where it begins.
            let adjacent = matches!(self.parts.get(i + 1), Some(Part::Field(..)));
            let digits = |rest: &mut &str, least: usize, most: usize| -> Option<i64> {
                if lenient {
                    *rest = rest.trim_start_matches(' ');
                }
                let found = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                if found < least.max(1) {
                    return None;
                }
                let (number, tail) = rest.split_at(found);
                *rest = tail;
                number.parse().ok()
            };
            let (least, most) = match (lenient, adjacent, width) {
                (true, false, _) => (1, 18),
                (true, true, _) => (1, width),
                (false, true, _) => (width, width),
                (false, false, 1) => (1, 18),
                (false, false, _) => (width, width),
            };
            match letter {
                'y' | 'u' => {
                    let most = if width >= 4 && !adjacent { 18 } else { most };
                    let negative = !lenient && rest.starts_with('-');
                    if negative {
                        return None;
                    }
                    let before = rest.len();
                    year = digits(&mut rest, least, most)?;
                    if width == 2 && before - rest.len() == 2 {
                        year += 2000;
                    }
                }
                'M' | 'L' if width > 2 => {
                    let at = MONTHS.iter().position(|name| {
                        let name = if width == 3 { &name[..3] } else { name };
                        rest.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name))
                    })?;
                    rest = &rest[if width == 3 { 3 } else { MONTHS[at].len() }..];
                    month = at as i64 + 1;
                }
                'M' | 'L' => month = digits(&mut rest, least, most)?,
                'd' => day = digits(&mut rest, least, most)?,
                'D' => day_in_year = Some(digits(&mut rest, least, most)?),
                'H' => hour = digits(&mut rest, least, most)?,
                'k' => hour = digits(&mut rest, least, most)? % 24,
                'h' | 'K' => {
                    hour = digits(&mut rest, least, most)? % 12;
                    half_day.get_or_insert(0);
                }
                'm' => minute = digits(&mut rest, least, most)?,
                's' => second = digits(&mut rest, least, most)?,
                'S' if lenient => {
                    // SimpleDateFormat reads S as a number of milliseconds.
                    nanos = digits(&mut rest, least, most)?.min(1_000_000_000) * 1_000_000;
                }
                'S' => {
                    let value = digits(&mut rest, width, width)?;
                    nanos = value.checked_mul(10_i64.checked_pow(9 - (width as u32).min(9))?)?;
                }
                'n' => nanos = digits(&mut rest, least, most)?.min(999_999_999),
                'a' => {
                    let marker = rest.get(..2)?;
                    half_day = Some(match marker.to_ascii_uppercase().as_str() {
                        "AM" => 0,
                        "PM" => 12,
                        _ => return None,
                    });
                    rest = &rest[2..];
                }
                'E' => {
                    let name = DAYS.iter().find(|name| {
                        let name = if width <= 3 { &name[..3] } else { name };
                        rest.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name))
                    })?;
                    rest = &rest[if width <= 3 { 3 } else { name.len() }..];
                }
                'X' | 'x' | 'Z' | 'O' | 'z' | 'V' => {
                    let end = rest
                        .find(|c: char| !(c.is_ascii_alphanumeric() || "+-:/_".contains(c)))
                        .unwrap_or(rest.len());
                    let (name, tail) = rest.split_at(end);
                    offset = Some(match parse_offset(name) {
                        Some(offset) => offset,
                        None if name == "Z" => 0,
                        None => match Zone::parse(name).ok()? {
                            Zone::Fixed(offset) => offset,
                            zone => zone.offset_of_local(
                                days_of_civil(year as i32, 1, 1) * 86_400
                                    + (month - 1) * 30 * 86_400,
                            ),
                        },
                    });
                    rest = tail;
                }
                _ => return None,
            }
        }
        if let Some(half) = half_day {
            hour = hour % 12 + half;
        }
        if !(0..=9999).contains(&year) {
            return None;
        }
        if !lenient {
            let sound = rest.is_empty()
                && (1..=12).contains(&month)
                && (1..=31).contains(&day)
                && (0..24).contains(&hour)
                && minute < 60
                && second < 60;
            if !sound {
                return None;
            }
            // `DateTimeFormatter` takes a day that a month lacks for its last day.
            day = day.min(days_of_month(year as i32, month as i32).into());
        }
        let fields = [month, day, hour, minute, second, day_in_year.unwrap_or(1)];
        if fields.iter().any(|f| *f > 1_000_000) {
            return None;
        }
        let months = year * 12 + month - 1;
        let (year, month) = (months.div_euclid(12) as i32, months.rem_euclid(12) as i32 + 1);
        let days = match day_in_year {
            Some(n) => days_of_civil(year, 1, 1) + n - 1,
            None => days_of_civil(year, month, 1) + day - 1,
        };
        let seconds =
            days * 86_400 + hour * 3600 + minute * 60 + second + nanos.div_euclid(1_000_000_000);
        Some(Read { seconds, nanos: nanos.rem_euclid(1_000_000_000), offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pattern: &str, instant: i64, nanos: i64, zone: &str) -> String {
        let mut out = String::new();
        let zone = Zone::parse(zone).unwrap();
        Pattern::parse(pattern).unwrap().write(&mut out, instant, nanos, &zone);
        out
    }

    #[test]
    fn writes_as_java_does() {
        let at = 1_709_212_455; // 2024-02-29 13:14:15
        for (pattern, expected) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29 13:14:15.678"),
            ("yy/M/d h:m a", "24/2/29 1:14 PM"),
            ("EEE, dd MMM yyyy", "Thu, 29 Feb 2024"),
            ("EEEE MMMM D Q", "Thursday February 60 1"),
            ("yyyy'T'HH''mm", "2024T13'14"),
            ("yyyyMMddHHmmssSSSSSS", "20240229131415678000"),
            ("HH XXX Z", "13 Z +0000"),
        ] {
            assert_eq!(written(pattern, at, 678_000_000, "UTC"), expected);
        }
        assert_eq!(written("HH:mm XXX", at, 0, "Asia/Kathmandu"), "18:59 +05:45");
        assert!(Pattern::parse("yyyy-bb").is_err());
        assert!(Pattern::parse("yyyy 'T").is_err());
    }

    #[test]
    fn reads_strictly_or_not() {
        let read = |pattern: &str, text: &str| {
            Pattern::parse(pattern).unwrap().read(text).map(|r| (r.seconds, r.nanos))
        };
        let lenient = |pattern: &str, text: &str| {
            Pattern::parse(pattern).unwrap().read_lenient(text).map(|r| (r.seconds, r.offset))
        };
        assert_eq!(read("yyyy-MM-dd", "1970-01-02"), Some((86_400, 0)));
        assert_eq!(read("yyyy-MM-dd", "1970-1-2"), None);
        assert_eq!(read("yyyy-M-d", "1970-1-2"), Some((86_400, 0)));
        assert_eq!(read("yyyyMMdd HHmmss.SSS", "19700101 000001.250"), Some((1, 250_000_000)));
        assert_eq!(read("yyyy-MM-dd", "1970-01-02 "), None);
        assert_eq!(read("hh:mm a", "01:30 PM"), Some((48_600, 0)));
        let pattern = "yyyy-MM-dd HH:mm:ss";
        assert_eq!(lenient(pattern, "1970-1-1 0:0:5.9 x"), Some((5, None)));
        assert_eq!(lenient(pattern, "1970-01-32 00:00:00"), Some((31 * 86_400, None)));
        let zoned = lenient("yyyy-MM-dd HH:mm:ss.SSS X", "1970-01-01 08:00:01.001 +0800");
        assert_eq!(zoned, Some((28_801, Some(28_800))));
    }
}
