//! Options and columns of a table of files.

use super::super::full_cache;
use super::super::projection::Projection;
use super::super::{Connector, OptionKind, OptionSpec, Options, TableColumn, TableSpec};
use super::listing::list;
use super::partition_commit::{self, PartitionCommit};
use super::sink::FileSink;
use super::source::FileSource;
use crate::formats::{self, Format, FormatColumn};
use crate::types::{SqlType, TypeKind};
use millstream_core::{Error, Result};
use regex::Regex;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) const CONNECTOR: Connector = Connector {
    name: "filesystem",
    doc: "reads and writes the files of a folder",
    options: &[
        OptionSpec::required("path", OptionKind::Text, "the file or folder"),
        OptionSpec::new(
            "partition.default-name",
            OptionKind::Text,
            "__DEFAULT_PARTITION__",
            "the folder's name for NULL and empty text",
        ),
        OptionSpec::new(
            "source.monitor-interval",
            OptionKind::Duration,
            "",
            "look for new files at this interval, without end",
        ),
        OptionSpec::new(
            "source.path.regex-pattern",
            OptionKind::Text,
            "",
            "a regular expression: files whose whole path does not match are passed over",
        ),
        OptionSpec::new(
            "source.report-statistics",
            OptionKind::OneOf(&["ALL", "NONE"]),
            "ALL",
            "taken, without effect",
        ),
        OptionSpec::new(
            "sink.rolling-policy.file-size",
            OptionKind::Size,
            "128 mb",
            "size after which a file is finished",
        ),
        OptionSpec::new(
            "sink.rolling-policy.rollover-interval",
            OptionKind::Duration,
            "30 min",
            "age after which a file is finished",
        ),
        OptionSpec::new(
            "sink.rolling-policy.inactivity-interval",
            OptionKind::Duration,
            "30 min",
            "time without new rows after which a file is finished",
        ),
        OptionSpec::new(
            "sink.rolling-policy.check-interval",
            OptionKind::Duration,
            "1 min",
            "taken, without effect: files are finished when they are due",
        ),
        partition_commit::TRIGGER,
        partition_commit::DELAY,
        partition_commit::ZONE,
        partition_commit::POLICY,
        partition_commit::FILE_NAME,
        partition_commit::EXTRACTOR,
        partition_commit::PATTERN,
        full_cache::ONLY_FULL,
        full_cache::RELOAD_STRATEGY,
        full_cache::RELOAD_INTERVAL,
    ],
    formats: &[("format", "")],
    source: Some(|table, options| {
        Ok(Arc::new(FileSource::new(Files::of(table, &options)?, options)?))
    }),
    sink: Some(|table, options| Ok(Arc::new(FileSink::new(Files::of(table, &options)?)?))),
};

/// Metadata that a file offers for its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileMetadata {
    Path,
    Name,
    Size,
    ModificationTime,
}

impl FileMetadata {
    pub(super) const ALL: &[(&str, FileMetadata)] = &[
        ("file.path", FileMetadata::Path),
        ("file.name", FileMetadata::Name),
        ("file.size", FileMetadata::Size),
        ("file.modification-time", FileMetadata::ModificationTime),
    ];
    pub(super) fn ty(self) -> SqlType {
        match self {
            FileMetadata::Path | FileMetadata::Name => SqlType::string().not_null(),
            FileMetadata::Size => SqlType::bigint().not_null(),
            FileMetadata::ModificationTime => SqlType::timestamp_ltz(3).not_null(),
        }
    }
}

/// Where the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the messages.
    Format,
    /// In the names of folders: which of the partition keys.
    Partition(usize),
    /// Known of the file.
    Metadata(FileMetadata),
}

/// A table of files.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) path: PathBuf,
    pub(super) format: Arc<dyn Format>,
    pub(super) columns: Vec<TableColumn>,
    /// Where each column is.
    pub(super) places: Vec<Place>,
    /// Columns of `PARTITIONED BY`, in its order.
    pub(super) partition_keys: Vec<usize>,
    pub(super) default_partition: String,
    pub(super) monitor_ms: Option<i64>,
    pub(super) roll_size_bytes: u64,
    pub(super) roll_interval_ms: i64,
    pub(super) inactivity_ms: i64,
    /// What the whole path of a file must match.
    pub(super) pattern: Option<Regex>,
    pub(super) partition_commit: Option<PartitionCommit>,
    pub(super) projection: Projection,
}

impl Files {
    fn of(table: &TableSpec, options: &Options) -> Result<Self> {
        let (name, format_options) = options.of_format("format", "")?.ok_or_else(|| {
            Error::config("'filesystem' needs the option 'format'")
                .advice("add 'format' = 'json', 'csv', ...")
        })?;
        let format = formats::find(&name)?.make(&format_options)?;
        if !format.has_lines() && format.files().is_none() {
            return Err(Error::config(format!(
                "the format '{name}' is one of messages, not of files"
            ))
            .advice("use it with 'connector' = 'kafka'; files can be json, csv, avro, parquet"));
        }
        let place = |(i, column): (usize, &TableColumn)| {
            if let Some(key) = &column.metadata {
                let known = FileMetadata::ALL.iter().find(|(name, _)| name == key);
                let (_, found) = known.ok_or_else(|| no_metadata(key))?;
                let own = found.ty();
                if !own.same_shape(&column.ty) {
                    return Err(Error::config(format!(
                        "metadata '{key}' is {}, column '{}' is {}",
                        own.base_text(),
                        column.name,
                        column.ty.base_text()
                    ))
                    .advice(format!("declare the column as {own}")));
                }
                return Ok(Place::Metadata(*found));
            }
            Ok(match table.partition_keys.iter().position(|key| *key == i) {
                Some(key) => {
                    check_partition(column)?;
                    Place::Partition(key)
                }
                None => Place::Format,
            })
        };
        let path = options.text("path").unwrap_or_default();
        let path = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:"));
        let path = path.unwrap_or(options.text("path").unwrap_or_default());
        if path.is_empty() {
            return Err(Error::config("option 'path' is empty").advice("name a file or folder"));
        }
        if let Some((scheme, _)) = path.split_once("://") {
            return Err(Error::config(format!("files of '{scheme}://' are not supported yet"))
                .advice("use a path of this machine"));
        }
        let keys: Vec<&str> =
            table.partition_keys.iter().map(|i| table.columns[*i].name.as_str()).collect();
        Ok(Files {
            path: PathBuf::from(path),
            format,
            places: table.columns.iter().enumerate().map(place).collect::<Result<_>>()?,
            columns: table.columns.clone(),
            partition_keys: table.partition_keys.clone(),
            default_partition: options
                .text("partition.default-name")
                .unwrap_or("__DEFAULT_PARTITION__")
                .to_owned(),
            monitor_ms: options.duration_ms("source.monitor-interval").filter(|ms| *ms > 0),
            roll_size_bytes: options
                .size_bytes("sink.rolling-policy.file-size")
                .unwrap_or(128 << 20),
            roll_interval_ms: options
                .duration_ms("sink.rolling-policy.rollover-interval")
                .unwrap_or(1_800_000),
            inactivity_ms: options
                .duration_ms("sink.rolling-policy.inactivity-interval")
                .unwrap_or(1_800_000),
            pattern: pattern(options)?,
            partition_commit: PartitionCommit::of(options, &keys)?,
            projection: Projection::all(&table.columns),
        })
    }

    /// All files of the table that there are now; with `optional` the path may be missing.
    pub(super) fn list(&self, optional: bool) -> Result<Vec<PathBuf>> {
        let mut files = list(&self.path, optional)?;
        if let Some(pattern) = &self.pattern {
            files.retain(|file| {
                let whole = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                pattern.is_match(&whole.to_string_lossy())
            });
        }
        Ok(files)
    }

    /// The columns of the format; wanted are those that the projection needs.
    pub(super) fn format_columns(&self) -> Vec<FormatColumn> {
        let columns = self.columns.iter().zip(&self.places).enumerate();
        columns
            .filter(|(_, (_, place))| **place == Place::Format)
            .map(|(i, (column, _))| FormatColumn {
                name: column.name.clone(),
                ty: column.ty.clone(),
                wanted: self.projection.needs(i),
            })
            .collect()
    }
}

fn pattern(options: &Options) -> Result<Option<Regex>> {
    let name = "source.path.regex-pattern";
    let Some(text) = options.text(name) else { return Ok(None) };
    let compiled = Regex::new(&format!("^(?:{text})$"));
    compiled.map(Some).map_err(|e| {
        Error::config(format!("option '{name}' is no regular expression: {e}"))
            .advice("write one that matches whole paths")
    })
}

fn no_metadata(key: &str) -> Error {
    let names = || FileMetadata::ALL.iter().map(|(name, _)| *name);
    let advice = millstream_core::nearest::hint(key, names())
        .unwrap_or_else(|| format!("there are {}", names().collect::<Vec<_>>().join(", ")));
    Error::config(format!("'filesystem' has no metadata '{key}'")).advice(advice)
}

fn check_partition(column: &TableColumn) -> Result<()> {
    use TypeKind::*;
    match column.ty.kind {
        Null | Array(_) | Map(..) | Multiset(_) | Row(_) | Binary(_) | Varbinary(_) => Err(
            Error::config(format!("partition column '{}' cannot be {}", column.name, column.ty))
                .advice("use a type that has a short text, such as STRING, INT or DATE"),
        ),
        _ => Ok(()),
    }
}
