//! Dates, times, intervals, zones.

use super::*;
use millstream_sql::types::TypeKind;

fn months(value: i64) -> Expr {
    Expr::literal(Value::Interval(value), SqlType::new(TypeKind::IntervalYearMonth))
}
fn millis(value: i64) -> Expr {
    Expr::literal(Value::Interval(value), SqlType::new(TypeKind::IntervalDaySecond))
}

#[test]
fn intervals() {
    let minute = 60_000;
    check([
        (f("+", [date("2024-01-31"), months(1)]), "DATE NOT NULL: 2024-02-29"),
        (f("-", [date("2024-03-31"), months(1)]), "DATE NOT NULL: 2024-02-29"),
        (
            f("+", [ts("2024-12-31 23:00:00"), millis(90 * minute)]),
            "TIMESTAMP(0) NOT NULL: 2025-01-01 00:30:00",
        ),
        (
            f("-", [ts("2024-01-01 00:00:00"), millis(93_784_005)]),
            "TIMESTAMP(0) NOT NULL: 2023-12-30 21:56:55",
        ),
        (f("+", [time("23:30:00"), millis(45 * minute)]), "TIME(0) NOT NULL: 00:15:00"),
        (
            f("+", [millis(86_400_000), millis(7_200_000)]),
            "INTERVAL SECOND(3) NOT NULL: +1 02:00:00.000",
        ),
        (f("*", [months(18), i(2)]), "INTERVAL MONTH NOT NULL: +3-00"),
        (cast(millis(129_600_000), SqlType::string()), "STRING NOT NULL: +1 12:00:00.000"),
        (
            f("+", [ts("2024-01-31 10:00:00"), months(13)]),
            "TIMESTAMP(0) NOT NULL: 2025-02-28 10:00:00",
        ),
        (
            f("TIMESTAMPADD", [t("WEEK"), i(2), ts("2024-01-01 00:00:00")]),
            "TIMESTAMP(0) NOT NULL: 2024-01-15 00:00:00",
        ),
        (
            f("TIMESTAMPADD", [t("HOUR"), i(25), date("2024-01-01")]),
            "TIMESTAMP(6) NOT NULL: 2024-01-02 01:00:00.000000",
        ),
    ]);
}

#[test]
fn floor_and_ceil() {
    let at = || ts("2024-02-29 13:14:15.678");
    let to = |name: &str, unit: &str| f(name, [at(), t(unit)]);
    check([
        (to("FLOOR", "YEAR"), "TIMESTAMP(3) NOT NULL: 2024-01-01 00:00:00.000"),
        (to("CEIL", "YEAR"), "TIMESTAMP(3) NOT NULL: 2025-01-01 00:00:00.000"),
        (to("FLOOR", "QUARTER"), "TIMESTAMP(3) NOT NULL: 2024-01-01 00:00:00.000"),
        (to("CEIL", "MONTH"), "TIMESTAMP(3) NOT NULL: 2024-03-01 00:00:00.000"),
        (to("FLOOR", "WEEK"), "TIMESTAMP(3) NOT NULL: 2024-02-25 00:00:00.000"),
        (to("CEIL", "WEEK"), "TIMESTAMP(3) NOT NULL: 2024-03-03 00:00:00.000"),
        (to("CEIL", "MINUTE"), "TIMESTAMP(3) NOT NULL: 2024-02-29 13:15:00.000"),
        (to("FLOOR", "CENTURY"), "TIMESTAMP(3) NOT NULL: 2001-01-01 00:00:00.000"),
        (f("FLOOR", [date("2024-02-29"), t("MONTH")]), "DATE NOT NULL: 2024-02-01"),
        (
            f("CEIL", [ts("2023-01-01 00:00:00"), t("WEEK")]),
            "TIMESTAMP(0) NOT NULL: 2023-01-01 00:00:00",
        ),
        (f("CEIL", [time("12:44:31"), t("MINUTE")]), "TIME(0) NOT NULL: 12:45:00"),
    ]);
}

#[test]
fn parts() {
    let at = || ts("1994-09-27 13:14:15.678");
    let part = |unit: &str| f("EXTRACT", [t(unit), at()]);
    check([
        (part("YEAR"), "BIGINT NOT NULL: 1994"),
        (part("QUARTER"), "BIGINT NOT NULL: 3"),
        (part("WEEK"), "BIGINT NOT NULL: 39"),
        (part("DOY"), "BIGINT NOT NULL: 270"),
        (part("DOW"), "BIGINT NOT NULL: 3"),
        (part("MILLISECOND"), "BIGINT NOT NULL: 678"),
        (part("EPOCH"), "BIGINT NOT NULL: 780671655"),
        (f("HOUR", [at()]), "BIGINT NOT NULL: 13"),
        (f("DAYOFWEEK", [date("1994-09-27")]), "BIGINT NOT NULL: 3"),
        // Times before 1970 follow the calendar, unlike in Flink 2.3.
        (f("EXTRACT", [t("SECOND"), ts("1969-12-31 23:59:58.001")]), "BIGINT NOT NULL: 58"),
        (cast(ts("1969-12-31 23:59:58.001"), SqlType::date()), "DATE NOT NULL: 1969-12-31"),
        (f("EXTRACT", [t("HOUR"), millis(90_000_000)]), "BIGINT NOT NULL: 1"),
    ]);
}

#[test]
fn differences() {
    let diff = |unit: &str, a: &str, b: &str| f("TIMESTAMPDIFF", [t(unit), ts(a), ts(b)]);
    check([
        (diff("DAY", "1970-01-02 00:00:00", "1969-12-31 16:59:59.999"), "INT NOT NULL: -1"),
        (diff("DAY", "1970-01-02 00:00:00", "1970-01-01 07:00:00"), "INT NOT NULL: 0"),
        (diff("MONTH", "2024-01-31 00:00:00", "2024-02-29 00:00:00"), "INT NOT NULL: 1"),
        (diff("MONTH", "2024-03-15 12:00:00", "2024-01-15 11:00:00"), "INT NOT NULL: -2"),
        (diff("YEAR", "2023-06-01 00:00:00", "2024-05-31 00:00:00"), "INT NOT NULL: 0"),
        (
            f("TIMESTAMPDIFF", [t("HOUR"), date("2024-01-01"), ts("2024-01-02 05:30:00")]),
            "INT NOT NULL: 29",
        ),
        (
            f(
                "OVERLAPS",
                [time("02:55:00"), millis(3_600_000), time("03:30:00"), millis(7_200_000)],
            ),
            "BOOLEAN NOT NULL: TRUE",
        ),
        (
            f(
                "OVERLAPS",
                [time("09:00:00"), time("10:00:00"), time("10:15:00"), millis(7_200_000)],
            ),
            "BOOLEAN NOT NULL: FALSE",
        ),
    ]);
}

#[test]
fn casting() {
    let at = "2024-05-06 07:08:09.999999999";
    let text = |s: &str| cast(t(s), SqlType::string());
    check([
        (cast(ts(at), SqlType::timestamp(6)), "TIMESTAMP(6) NOT NULL: 2024-05-06 07:08:09.999999"),
        (cast(ts(at), SqlType::timestamp(0)), "TIMESTAMP(0) NOT NULL: 2024-05-06 07:08:09"),
        (cast(ts(at), SqlType::time(0)), "TIME(0) NOT NULL: 07:08:09"),
        (
            cast(date("2024-05-06"), SqlType::timestamp(3)),
            "TIMESTAMP(3) NOT NULL: 2024-05-06 00:00:00.000",
        ),
        (
            cast(ts("2024-05-06 07:08:09.120"), SqlType::string()),
            "STRING NOT NULL: 2024-05-06 07:08:09.120",
        ),
        (try_cast(text("2024-02-29T13:14:15"), SqlType::date()), "DATE: NULL"),
        (
            try_cast(text("2024-02-29 1:2:3"), SqlType::timestamp(3)),
            "TIMESTAMP(3): 2024-02-29 01:02:03.000",
        ),
        (
            try_cast(text("2023-02-29"), SqlType::timestamp(3)),
            "TIMESTAMP(3): 2023-02-28 00:00:00.000",
        ),
        (try_cast(text("2023-02-29"), SqlType::date()), "DATE: NULL"),
        (try_cast(text("13:14"), SqlType::time(0)), "TIME(0): 13:14:00"),
        (cast(t("2024-02-31"), SqlType::date()), "error: For input string: '2024-02-31'."),
    ]);
}

#[test]
fn zones() {
    let ltz = |ms: i64| f("TO_TIMESTAMP_LTZ", [b(ms), i(3)]);
    check_in(
        "Asia/Kathmandu",
        [
            (ltz(1_709_228_700_000), "TIMESTAMP_LTZ(3): 2024-02-29 23:30:00.000"),
            (f("HOUR", [ltz(0)]), "BIGINT: 5"),
            (f("MINUTE", [ltz(-1)]), "BIGINT: 29"),
            (cast(ltz(1_700_000_000_000), SqlType::date()), "DATE: 2023-11-15"),
            (f("DATE_FORMAT", [ltz(0), t("yyyy-MM-dd HH:mm")]), "STRING: 1970-01-01 05:30"),
            (
                f("FLOOR", [ltz(1_700_000_000_000), t("DAY")]),
                "TIMESTAMP_LTZ(3): 2023-11-15 00:00:00.000",
            ),
            (
                f("FLOOR", [ltz(1_700_000_000_000), t("HOUR")]),
                "TIMESTAMP_LTZ(3): 2023-11-15 03:00:00.000",
            ),
            (f("FROM_UNIXTIME", [b(1_700_000_000)]), "STRING: 2023-11-15 03:58:20"),
            (f("+", [ltz(-1), millis(86_400_000)]), "TIMESTAMP_LTZ(3): 1970-01-02 05:29:59.999"),
        ],
    );
    let new_york = |text: &str| cast(ts(text), SqlType::timestamp_ltz(3));
    check_in(
        "America/New_York",
        [
            (new_york("2024-03-10 02:30:00"), "TIMESTAMP_LTZ(3) NOT NULL: 2024-03-10 03:30:00.000"),
            (
                cast(new_york("2024-11-03 01:30:00"), SqlType::timestamp(3)),
                "TIMESTAMP(3) NOT NULL: 2024-11-03 01:30:00.000",
            ),
            (
                f(
                    "TIMESTAMPDIFF",
                    [
                        t("MINUTE"),
                        f("TO_TIMESTAMP_LTZ", [i(0), i(3)]),
                        new_york("2024-11-03 01:30:00"),
                    ],
                ),
                "INT: 28843530",
            ),
        ],
    );
    let convert = |s: &str, from: &str, to: &str| f("CONVERT_TZ", [t(s), t(from), t(to)]);
    check([
        (
            convert("2024-07-01 00:00:00", "UTC", "America/Los_Angeles"),
            "STRING: 2024-06-30 17:00:00",
        ),
        (convert("2024-03-31 02:30:00", "Europe/Berlin", "UTC"), "STRING: 2024-03-31 01:30:00"),
        (convert("2024-01-01 12:00:00", "UTC", "GMT+05:30"), "STRING: 2024-01-01 17:30:00"),
        (convert("nonsense", "UTC", "UTC"), "STRING: NULL"),
    ]);
}

#[test]
fn text_and_back() {
    check([
        (
            f("TO_TIMESTAMP", [t("2024-01-02 03:04:05.678")]),
            "TIMESTAMP(3): 2024-01-02 03:04:05.678",
        ),
        (
            f("TO_TIMESTAMP", [t("02/01/2024 03"), t("dd/MM/yyyy HH")]),
            "TIMESTAMP(3): 2024-01-02 03:00:00.000",
        ),
        (f("TO_TIMESTAMP", [t("nonsense")]), "TIMESTAMP(3): NULL"),
        (f("TO_DATE", [t("20240102"), t("yyyyMMdd")]), "DATE: 2024-01-02"),
        (f("TO_TIMESTAMP_LTZ", [b(44), i(0)]), "TIMESTAMP_LTZ(3): 1970-01-01 00:00:44.000"),
        (
            f("DATE_FORMAT", [ts("2024-01-02 03:04:05.678"), t("yyyy/M/d HH.mm.ss.SSS")]),
            "STRING: 2024/1/2 03.04.05.678",
        ),
        (f("DATE_FORMAT", [t("2024-01-02 03:04:05"), t("yyyy")]), "STRING: 2024"),
        (f("UNIX_TIMESTAMP", [t("1970-01-01 00:00:44")]), "BIGINT NOT NULL: 44"),
        (f("UNIX_TIMESTAMP", [t("x")]), "BIGINT NOT NULL: -9223372036854775808"),
        (f("UNIX_TIMESTAMP", []), "BIGINT NOT NULL: 1700000000"),
    ]);
    // From the documentation of UNIX_TIMESTAMP.
    check_in(
        "Europe/Berlin",
        [
            (
                f("UNIX_TIMESTAMP", [t("1970-01-01 08:00:01.001"), t("yyyy-MM-dd HH:mm:ss.SSS")]),
                "BIGINT NOT NULL: 25201",
            ),
            (
                f(
                    "UNIX_TIMESTAMP",
                    [t("1970-01-01 08:00:01.001 +0800"), t("yyyy-MM-dd HH:mm:ss.SSS X")],
                ),
                "BIGINT NOT NULL: 1",
            ),
            (
                f("UNIX_TIMESTAMP", [t("1970-01-01 08:00:01.001"), t("yyyy-MM-dd HH:mm:ss.SSS X")]),
                "BIGINT NOT NULL: -9223372036854775808",
            ),
        ],
    );
}

#[test]
fn the_current_time() {
    check_in(
        "Asia/Tokyo",
        [
            (f("CURRENT_TIMESTAMP", []), "TIMESTAMP_LTZ(3) NOT NULL: 2023-11-15 07:13:20.123"),
            (f("LOCALTIMESTAMP", []), "TIMESTAMP(3) NOT NULL: 2023-11-15 07:13:20.123"),
            (f("CURRENT_DATE", []), "DATE NOT NULL: 2023-11-15"),
            (f("LOCALTIME", []), "TIME(0) NOT NULL: 07:13:20"),
            (f("PROCTIME", []), "TIMESTAMP_LTZ(3) NOT NULL *PROCTIME*: 2023-11-15 07:13:20.123"),
            (f("CURRENT_WATERMARK", [ts("2024-01-01 00:00:00")]), "TIMESTAMP(3): NULL"),
        ],
    );
}
