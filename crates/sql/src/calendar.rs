//! The proleptic Gregorian calendar on plain integers.
//!
//! Days count from 1970-01-01; months from 1, as people do. Kernels work on these integers
//! instead of date objects because a division or two per row is all a calendar needs.
//!
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A date taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, 0 being 1 BC.
    pub year: i32,
    /// 1 to 12.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
}

/// The date of a number of days since 1970-01-01.
///
/// ```
/// use millstream_sql::calendar::{civil_of_days, days_of_civil};
/// let date = civil_of_days(19_782);
/// assert_eq!((date.year, date.month, date.day), (2024, 2, 29));
/// assert_eq!(days_of_civil(2024, 2, 29), 19_782);
/// ```
pub fn civil_of_days(days: i64) -> Civil {
    // The era of 400 years starts on March 1st, so that leap days come last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year: year as i32, month: month as i32, day: day as i32 }
}

/// Days since 1970-01-01 of a date; `month` must be 1 to 12, `day` may lie outside its month.
pub fn days_of_civil(year: i32, month: i32, day: i32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Whether a year has 366 days.
pub fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month.
pub fn days_of_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day `months` later; the last day of the month if the month has no such day.
pub fn add_months(days: i64, months: i64) -> i64 {
    let date = civil_of_days(days);
    let total = i64::from(date.year) * 12 + i64::from(date.month - 1) + months;
    let (year, month) = (total.div_euclid(12) as i32, total.rem_euclid(12) as i32 + 1);
    days_of_civil(year, month, date.day.min(days_of_month(year, month)))
}

/// Day of the week, 0 for Sunday.
pub fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The day of the year, from 1.
pub fn day_of_year(days: i64) -> i64 {
    days - days_of_civil(civil_of_days(days).year, 1, 1) + 1
}

/// Year and number of the ISO week: weeks start on Monday, the first has a Thursday.
pub fn iso_week(days: i64) -> (i32, i64) {
    let monday_based = (weekday(days) + 6) % 7;
    let thursday = days - monday_based + 3;
    let year = civil_of_days(thursday).year;
    (year, (thursday - days_of_civil(year, 1, 1)) / 7 + 1)
}

/// The year that a week belongs to, and its number in it: weeks begin on Sunday, and the one
/// with January 1 is the first.
pub fn week_of_year(days: i64) -> (i32, i64) {
    let saturday = days - weekday(days) + 6;
    (civil_of_days(saturday).year, (day_of_year(saturday) - 1) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weeks_that_begin_on_sunday() {
        let week = |y, m, d| week_of_year(days_of_civil(y, m, d));
        assert_eq!([week(2023, 1, 1), week(2024, 12, 28)], [(2023, 1), (2024, 52)]);
        assert_eq!([week(2024, 12, 29), week(2021, 1, 2)], [(2025, 1), (2021, 1)]);
        assert_eq!([week(2022, 5, 31), week(2026, 2, 28)], [(2022, 23), (2026, 9)]);
    }

    proptest! {
        #[test]
        fn every_day_comes_back(days in -2_000_000_i64..3_000_000) {
            let date = civil_of_days(days);
            prop_assert_eq!(days_of_civil(date.year, date.month, date.day), days);
            let chrono = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()
                + chrono::Duration::days(days);
            use chrono::Datelike;
            prop_assert_eq!((date.year, date.month as u32, date.day as u32),
                (chrono.year(), chrono.month(), chrono.day()));
            prop_assert_eq!(iso_week(days).1 as u32, chrono.iso_week().week());
            prop_assert_eq!(day_of_year(days) as u32, chrono.ordinal());
        }
    }

    #[test]
    fn months_end_where_they_must() {
        let day = |y, m, d| days_of_civil(y, m, d);
        assert_eq!(add_months(day(2024, 1, 31), 1), day(2024, 2, 29));
        assert_eq!(add_months(day(2024, 2, 29), 12), day(2025, 2, 28));
        assert_eq!(add_months(day(2024, 3, 31), -1), day(2024, 2, 29));
        assert_eq!(add_months(day(1970, 1, 1), -1), day(1969, 12, 1));
    }
}
