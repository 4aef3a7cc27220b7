//! Time zones by Java's names and rules.
//!
//! A local time in the gap of a change to summer time moves forward by the gap; one that
//! happens twice means the earlier instant. That is what `java.time` does, and so Flink.

use chrono::{Offset, TimeZone};
use chrono_tz::Tz;
use millstream_core::{Error, Result};

/// A time zone: a fixed offset, or a name of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// This many seconds east of UTC.
    Fixed(i32),
    /// A zone with a history of offsets.
    Named(Tz),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone::Fixed(0);

    /// The zone with one of Java's names: `Europe/Berlin`, `UTC`, `Z`, `GMT+05:30`, `UTC-8`,
    /// `+02:00`, `PST`.
    ///
    /// # Errors
    /// Configuration: there is no such zone.
    ///
    /// ```
    /// use millstream_sql::zone::Zone;
    /// assert_eq!(Zone::parse("GMT+05:30").unwrap(), Zone::Fixed(19_800));
    /// assert!(Zone::parse("Mars/Olympus").is_err());
    /// ```
    pub fn parse(name: &str) -> Result<Zone> {
        let unknown = || {
            Error::config(format!("the time zone '{name}' is not known"))
                .advice("use a name such as 'Europe/Berlin', 'UTC' or 'GMT+02:00'")
        };
        if matches!(name, "UTC" | "GMT" | "Z" | "UT" | "Etc/UTC") {
            return Ok(Zone::UTC);
        }
        let offset = ["UTC", "GMT", "UT", ""].iter().find_map(|prefix| {
            name.strip_prefix(prefix).filter(|rest| rest.starts_with(['+', '-']))
        });
        if let Some(offset) = offset {
            return parse_offset(offset).map(Zone::Fixed).ok_or_else(unknown);
        }
        // Java's three-letter names that the IANA database spells otherwise.
        let name = match name {
            "PST" => "America/Los_Angeles",
            "CST" => "America/Chicago",
            "IST" => "Asia/Kolkata",
            "JST" => "Asia/Tokyo",
            "CTT" => "Asia/Shanghai",
            "AET" => "Australia/Sydney",
            "ECT" => "Europe/Paris",
            "BST" => "Asia/Dhaka",
            other => other,
        };
        name.parse::<Tz>().map(Zone::Named).map_err(|_| unknown())
    }

    /// Seconds east of UTC at an instant, given in seconds since 1970 UTC.
    pub fn offset_at(&self, instant_s: i64) -> i32 {
        match self {
            Zone::Fixed(offset) => *offset,
            Zone::Named(tz) => match chrono::DateTime::from_timestamp(instant_s, 0) {
                Some(utc) => tz.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc(),
                None => 0,
            },
        }
    }

    /// Seconds east of UTC for a local time, given as seconds since 1970 on the local clock.
    pub fn offset_of_local(&self, local_s: i64) -> i32 {
        match self {
            Zone::Fixed(offset) => *offset,
            Zone::Named(_) => {
                // The offsets half a day before and after bracket at most one change. In a
                // gap the offset before it moves the time forward; in an overlap the offset
                // before it gives the earlier instant. So the earlier offset wins whenever it
                // is consistent or nothing is.
                let before = self.offset_at(local_s - i64::from(self.offset_at(local_s)) - 86_400);
                let after = self.offset_at(local_s - i64::from(self.offset_at(local_s)) + 86_400);
                if before == after {
                    // Two changes in two days happen in no current zone, but in history.
                    let here = self.offset_at(local_s - i64::from(before));
                    return if self.offset_at(local_s - i64::from(here)) == here {
                        here
                    } else {
                        before
                    };
                }
                if self.offset_at(local_s - i64::from(before)) == before {
                    before
                } else if self.offset_at(local_s - i64::from(after)) == after {
                    after
                } else {
                    before
                }
            }
        }
    }

    /// As [`offset_of_local`](Self::offset_of_local), with the later instant of an overlap,
    /// as Java's `SimpleDateFormat` reads a text.
    pub fn later_offset_of_local(&self, local_s: i64) -> i32 {
        let offset = self.offset_of_local(local_s);
        let later = self.offset_at(local_s - i64::from(offset) + 86_400);
        let holds = later < offset && self.offset_at(local_s - i64::from(later)) == later;
        if holds { later } else { offset }
    }

    /// Local milliseconds of an instant in milliseconds.
    pub fn to_local_ms(&self, instant_ms: i64) -> i64 {
        match self {
            Zone::Fixed(0) => instant_ms,
            _ => instant_ms + i64::from(self.offset_at(instant_ms.div_euclid(1000))) * 1000,
        }
    }
    /// The instant of a local time, both in milliseconds.
    pub fn to_instant_ms(&self, local_ms: i64) -> i64 {
        match self {
            Zone::Fixed(0) => local_ms,
            _ => local_ms - i64::from(self.offset_of_local(local_ms.div_euclid(1000))) * 1000,
        }
    }
}

/// Seconds of `+H`, `+HH`, `+HH:MM`, `+HHMM` or `+HH:MM:SS`, with either sign, to 18 hours.
pub(crate) fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let parts: Vec<&str> = if digits.contains(':') {
        digits.split(':').collect()
    } else {
        match digits.len() {
            1 | 2 => vec![digits],
            4 if digits.is_ascii() => vec![&digits[..2], &digits[2..]],
            6 if digits.is_ascii() => vec![&digits[..2], &digits[2..4], &digits[4..]],
            _ => return None,
        }
    };
    let mut seconds = 0;
    for (i, part) in parts.iter().enumerate() {
        let fits = matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_digit());
        let number: i32 = part.parse().ok().filter(|n| fits && (i == 0 || *n < 60))?;
        seconds += number * [3600, 60, 1].get(i)?;
    }
    (seconds <= 18 * 3600).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
            .unwrap()
            .and_utc()
            .timestamp()
    }

    #[test]
    fn gaps_move_forward_and_overlaps_take_the_earlier_instant() {
        let zone = Zone::parse("America/New_York").unwrap();
        for (local, utc) in [
            ("2024-03-10 01:59:59", "2024-03-10 06:59:59"),
            ("2024-03-10 02:30:00", "2024-03-10 07:30:00"),
            ("2024-03-10 03:00:00", "2024-03-10 07:00:00"),
            ("2024-11-03 00:30:00", "2024-11-03 04:30:00"),
            ("2024-11-03 01:30:00", "2024-11-03 05:30:00"),
            ("2024-11-03 02:30:00", "2024-11-03 07:30:00"),
        ] {
            assert_eq!(zone.to_instant_ms(seconds(local) * 1000), seconds(utc) * 1000, "{local}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(Zone::parse("UTC+8").unwrap(), Zone::Fixed(28_800));
        assert_eq!(Zone::parse("-03:30").unwrap(), Zone::Fixed(-12_600));
        assert_eq!(Zone::parse("Asia/Kathmandu").unwrap().offset_at(1_700_000_000), 20_700);
        for bad in ["", "+", "+25:00", "+aa", "Nowhere", "GMT+1:99"] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }
}
