//! Dates, times, timestamps and intervals.
//!
//! Times before 1970 follow the calendar like all others (Flink 2.3 gets EXTRACT, CAST AS
//! DATE and FLOOR of them wrong). Parts of a TIMESTAMP_LTZ are those of the session's zone;
//! months are added to an instant in UTC, as Flink does.
//!
//! ```text
//!   unit.rs   what EXTRACT and FLOOR count in     shift.rs  times plus intervals, differences
//!   part.rs   EXTRACT, YEAR, MONTH ..             now.rs    the current time
//!   floor.rs  FLOOR and CEIL                      text.rs   text and back
//! ```

mod floor;
mod now;
mod part;
mod shift;
mod text;
mod unit;

use super::signature::no_kernel;
use super::{Definition, FunctionRef, Returns, Volatility};
use crate::calendar::DAY_MS;
use crate::expr::Expr;
use crate::stamps::as_timestamps;
use crate::types::{SqlType, TimeAttribute};
use arrow_array::Int64Array;
use arrow_array::types::*;
use millstream_core::Result;

use now::{local_now, now, now_ms, row_now, watermark_type};
use part::{extract, run_extract};
use shift::{add_units, difference, overlaps, run_difference};
use text::{
    convert_tz, date_format, from_unixtime, run_to_timestamp_ltz, to_date, to_timestamp,
    to_timestamp_ltz, unix,
};

pub(super) use floor::floor_ceil;
pub(super) use shift::shift;

const PER_BATCH: Volatility = Volatility::PerBatch;

fn timestamp_3() -> SqlType {
    SqlType::timestamp(3)
}
fn ltz_3() -> SqlType {
    SqlType::timestamp_ltz(3)
}
fn time_0() -> SqlType {
    SqlType::time(0)
}
fn proctime() -> SqlType {
    ltz_3().with_attribute(TimeAttribute::Proctime)
}

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(&["EXTRACT"], &["symbol, time", "symbol, interval"], extract, run_extract),
    part(&["YEAR"], "YEAR"),
    part(&["QUARTER"], "QUARTER"),
    part(&["MONTH"], "MONTH"),
    part(&["WEEK"], "WEEK"),
    part(&["DAYOFYEAR"], "DOY"),
    part(&["DAYOFMONTH"], "DAY"),
    part(&["DAYOFWEEK"], "DOW"),
    part(&["HOUR"], "HOUR"),
    part(&["MINUTE"], "MINUTE"),
    part(&["SECOND"], "SECOND"),
    Definition::bound(
        &["TIMESTAMPADD"],
        &["symbol, bigint, time"],
        |_, args| add_units(args),
        no_kernel,
    ),
    Definition::bound(&["TIMESTAMPDIFF"], &["symbol, time, time"], difference, run_difference),
    Definition::bound(&["OVERLAPS"], &["any, any, any, any"], |_, args| overlaps(args), no_kernel),
    Definition::new(&["CURRENT_TIMESTAMP", "NOW"], &[""], Returns::NotNull(ltz_3), now)
        .volatile(PER_BATCH),
    Definition::new(&["CURRENT_ROW_TIMESTAMP"], &[""], Returns::NotNull(ltz_3), row_now)
        .volatile(PER_BATCH),
    Definition::new(&["PROCTIME"], &[""], Returns::NotNull(proctime), row_now).volatile(PER_BATCH),
    Definition::new(&["LOCALTIMESTAMP"], &[""], Returns::NotNull(timestamp_3), local_now)
        .volatile(PER_BATCH),
    Definition::new(&["CURRENT_DATE"], &[""], Returns::NotNull(SqlType::date), |args| {
        let days = args.context.zone.to_local_ms(now_ms(args)).div_euclid(DAY_MS) as i32;
        args.map_numbers::<Date32Type>(|_| Ok(Some(days)))
    })
    .volatile(PER_BATCH),
    Definition::new(&["CURRENT_TIME", "LOCALTIME"], &[""], Returns::NotNull(time_0), |args| {
        let ms = args.context.zone.to_local_ms(now_ms(args)).rem_euclid(DAY_MS);
        let ms = (ms - ms % 1000) as i32;
        args.map_numbers::<Time32MillisecondType>(|_| Ok(Some(ms)))
    })
    .volatile(PER_BATCH),
    Definition::new(&["CURRENT_WATERMARK"], &["stamp"], Returns::Derived(watermark_type), |args| {
        let value = args.context.watermark_ms;
        Ok(as_timestamps(Int64Array::from(vec![value; args.rows]), args.result))
    })
    .volatile(PER_BATCH),
    Definition::new(&["CURRENT_DATABASE"], &[""], Returns::NotNull(SqlType::string), |args| {
        args.pick_text(|_| Ok(Some(args.context.database.as_str())))
    })
    .volatile(PER_BATCH),
    Definition::new(
        &["DATE_FORMAT"],
        &["stamp, text", "text, text", "time, text"],
        Returns::Nullable(SqlType::string),
        date_format,
    ),
    Definition::new(
        &["TO_TIMESTAMP"],
        &["text, [text]"],
        Returns::Nullable(timestamp_3),
        to_timestamp,
    ),
    Definition::bound(
        &["TO_TIMESTAMP_LTZ"],
        &["num, [int]", "text, [text], [text]"],
        to_timestamp_ltz,
        run_to_timestamp_ltz,
    ),
    Definition::new(&["TO_DATE"], &["text, [text]"], Returns::Nullable(SqlType::date), to_date),
    Definition::new(
        &["FROM_UNIXTIME"],
        &["bigint, [text]"],
        Returns::Nullable(SqlType::string),
        from_unixtime,
    ),
    Definition::new(
        &["UNIX_TIMESTAMP"],
        &["", "text, [text]"],
        Returns::Type(SqlType::bigint),
        unix,
    )
    .volatile(PER_BATCH),
    Definition::new(
        &["CONVERT_TZ"],
        &["text, text, text"],
        Returns::Nullable(SqlType::string),
        convert_tz,
    ),
];

const fn part(names: &'static [&'static str], unit: &'static str) -> Definition {
    let bind: fn(FunctionRef, Vec<Expr>) -> Result<Expr> = match unit.as_bytes() {
        b"YEAR" => |_, args| extract_unit("YEAR", args),
        b"QUARTER" => |_, args| extract_unit("QUARTER", args),
        b"MONTH" => |_, args| extract_unit("MONTH", args),
        b"WEEK" => |_, args| extract_unit("WEEK", args),
        b"DOY" => |_, args| extract_unit("DOY", args),
        b"DAY" => |_, args| extract_unit("DAY", args),
        b"DOW" => |_, args| extract_unit("DOW", args),
        b"HOUR" => |_, args| extract_unit("HOUR", args),
        b"MINUTE" => |_, args| extract_unit("MINUTE", args),
        _ => |_, args| extract_unit("SECOND", args),
    };
    Definition::bound(names, &["time", "interval"], bind, no_kernel)
}

fn extract_unit(unit: &str, args: Vec<Expr>) -> Result<Expr> {
    let mut all = vec![Expr::text(unit)];
    all.extend(args);
    super::Registry::builtin().call("EXTRACT", all)
}
