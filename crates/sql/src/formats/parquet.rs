//! `parquet`: files of columns.
//!
//! ```text
//!   file ──footer──> row groups ──pages of the columns that are wanted──> batches
//!   batches ──> row group in memory ──full, or a barrier──> bytes
//! ```
//! Columns are found by name; one that a file does not have is NULL. Times are written as
//! INT64 with their logical type, and read also as INT96.
//!
//! Source: Flink's page on Parquet; the types are those of its table.

mod read;
mod write;

use super::{
    BulkReader, BulkWriter, Decoder, Encoder, FileFormat, Format, FormatColumn, FormatInfo,
};
use crate::connectors::{OptionKind, OptionSpec, Options};
use crate::types::{SqlType, TypeKind};
use crate::zone::Zone;
use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use ::parquet::errors::ParquetError;
use arrow_schema::TimeUnit;
use millstream_core::{Error, Result};
use std::fs::File;
use std::sync::Arc;

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "parquet",
    doc: "files of columns; for 'filesystem'",
    options: &[
        OptionSpec::new(
            "utc-timezone",
            OptionKind::Flag,
            "false",
            "whether instants in files are read as TIMESTAMP in UTC, not in the session's zone",
        ),
        OptionSpec::new(
            "timestamp.time.unit",
            OptionKind::OneOf(&["millis", "micros", "nanos"]),
            "micros",
            "the unit in which timestamps are written",
        ),
        OptionSpec::new(
            "write.int64.timestamp",
            OptionKind::OneOf(&["true"]),
            "true",
            "timestamps are written as INT64; INT96 is only read",
        ),
        OptionSpec::new(
            "compression",
            OptionKind::OneOf(&["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"]),
            "SNAPPY",
            "how pages are compressed",
        ),
        OptionSpec::new("block.size", OptionKind::Size, "128 mb", "bytes of a row group"),
        OptionSpec::new("page.size", OptionKind::Size, "1 mb", "bytes of a page"),
        OptionSpec::new(
            "enable.dictionary",
            OptionKind::Flag,
            "true",
            "write values that come again once",
        ),
        OptionSpec::new(
            "batch-size",
            OptionKind::Number(1, 1_000_000),
            "2048",
            "rows that are read at a time",
        ),
    ],
    make: |options| Ok(Arc::new(Parquet::new(options)?)),
};

#[derive(Clone)]
struct Parquet {
    /// For instants that are read as local time.
    zone: Zone,
    unit: TimeUnit,
    compression: Compression,
    block_bytes: usize,
    page_bytes: usize,
    dictionary: bool,
    batch_rows: usize,
}

impl Parquet {
    fn new(options: &Options) -> Result<Self> {
        let word = |name: &str| options.text(name).unwrap_or_default().to_ascii_lowercase();
        let size = |name: &str, default: usize| {
            let bytes = options.size_bytes(name).and_then(|bytes| usize::try_from(bytes).ok());
            bytes.filter(|bytes| *bytes > 0).unwrap_or(default)
        };
        Ok(Parquet {
            zone: if options.flag("utc-timezone") { Zone::UTC } else { options.zone() },
            unit: match word("timestamp.time.unit").as_str() {
                "millis" => TimeUnit::Millisecond,
                "nanos" => TimeUnit::Nanosecond,
                _ => TimeUnit::Microsecond,
            },
            compression: match word("compression").as_str() {
                "uncompressed" => Compression::UNCOMPRESSED,
                "gzip" => Compression::GZIP(GzipLevel::default()),
                "zstd" => Compression::ZSTD(ZstdLevel::default()),
                _ => Compression::SNAPPY,
            },
            block_bytes: size("block.size", 128 << 20),
            page_bytes: size("page.size", 1 << 20),
            dictionary: options.flag("enable.dictionary"),
            batch_rows: options
                .number("batch-size")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(2048),
        })
    }
}

fn has_form(ty: &SqlType) -> bool {
    use TypeKind::*;
    match &ty.kind {
        Null | IntervalYearMonth | IntervalDaySecond => false,
        Array(item) | Multiset(item) => has_form(item),
        Map(key, value) => has_form(key) && has_form(value),
        Row(fields) => !fields.is_empty() && fields.iter().all(|f| has_form(&f.ty)),
        _ => true,
    }
}

/// What the library says of a file.
fn broken(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) if inner.is::<std::io::Error>() => {
            Error::retry(format!("the file cannot be read: {inner}"))
        }
        error => Error::data(format!("no good Parquet file: {error}"))
            .advice("check that the file is whole, and of the format of the table"),
    }
}

fn no_messages() -> Error {
    Error::config("the format 'parquet' is one of files and has no messages")
        .advice("use it with 'connector' = 'filesystem'")
}

impl Format for Parquet {
    fn files(&self) -> Option<&dyn FileFormat> {
        Some(self)
    }
    fn decoder(&self, _columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        Err(no_messages())
    }
    fn encoder(&self, _columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        Err(no_messages())
    }
}

impl FileFormat for Parquet {
    fn check(&self, columns: &[FormatColumn]) -> Result<()> {
        match columns.iter().find(|c| !has_form(&c.ty)) {
            None => Ok(()),
            Some(column) => Err(Error::config(format!(
                "the format 'parquet' has no form for {} of column '{}'",
                column.ty, column.name
            ))
            .advice("cast it to a type that Parquet has, such as BIGINT or STRING")),
        }
    }
    fn reader(
        &self,
        file: File,
        columns: &[FormatColumn],
        skip: u64,
    ) -> Result<Box<dyn BulkReader>> {
        Ok(Box::new(read::Reader::open(self, file, columns, skip)?))
    }
    fn writer(&self, columns: &[FormatColumn]) -> Result<Box<dyn BulkWriter>> {
        Ok(Box::new(write::Writer::new(self, columns)?))
    }
}

#[cfg(test)]
mod tests;
