//! Options of a table of a database.

use super::super::lookup::{self, LookupCache};
use super::super::{Connector, OptionKind, OptionSpec, Options, TableColumn, TableSpec};
use super::scan::JdbcSource;
use super::sink::JdbcTarget;
use super::url::{JdbcUrl, table_path};
use super::values;
use crate::connectors::projection::Projection;
use crate::zone::Zone;
use millstream_core::{Error, Result};
use millstream_jdbc::{ConnectionConfig, JdbcTable};
use std::sync::Arc;
use std::time::Duration;

const MOST: i64 = i32::MAX as i64;
const PARTITION: [&str; 4] = [
    "scan.partition.column",
    "scan.partition.num",
    "scan.partition.lower-bound",
    "scan.partition.upper-bound",
];

pub(crate) const CONNECTOR: Connector = Connector {
    name: "jdbc",
    doc: "reads, writes and looks up tables of PostgreSQL",
    options: &[
        OptionSpec::required("url", OptionKind::Text, "jdbc:postgresql://host:5432/database"),
        OptionSpec::required("table-name", OptionKind::Text, "the table, with its schema or not"),
        OptionSpec::new("driver", OptionKind::Text, "", "taken, without effect: it is built in"),
        OptionSpec::new("username", OptionKind::Text, "", "who connects"),
        OptionSpec::new("password", OptionKind::Secret, "", "the password"),
        OptionSpec::new(
            "connection.max-retry-timeout",
            OptionKind::Duration,
            "60 s",
            "how long making a connection may take",
        ),
        OptionSpec::new(PARTITION[0], OptionKind::Text, "", "the column that splits the scan"),
        OptionSpec::new(PARTITION[1], OptionKind::Number(1, 100_000), "", "how many splits"),
        OptionSpec::new(
            PARTITION[2],
            OptionKind::Number(i64::MIN, i64::MAX),
            "",
            "the smallest value that is read",
        ),
        OptionSpec::new(
            PARTITION[3],
            OptionKind::Number(i64::MIN, i64::MAX),
            "",
            "the largest value that is read",
        ),
        OptionSpec::new(
            "scan.fetch-size",
            OptionKind::Number(0, 1_000_000),
            "0",
            "rows that the server sends at a time; 0: 2048",
        ),
        OptionSpec::new(
            "scan.auto-commit",
            OptionKind::Flag,
            "true",
            "taken, without effect: a scan is one transaction that reads",
        ),
        lookup::CACHE,
        lookup::MAX_ROWS,
        lookup::EXPIRE_AFTER_WRITE,
        lookup::EXPIRE_AFTER_ACCESS,
        lookup::CACHE_MISSING_KEY,
        lookup::MAX_RETRIES,
        OptionSpec::new(
            "sink.buffer-flush.max-rows",
            OptionKind::Number(0, 1_000_000),
            "100",
            "rows that are written together; 0: 10000",
        ),
        OptionSpec::new(
            "sink.buffer-flush.interval",
            OptionKind::Duration,
            "1 s",
            "how long a row waits for others; 0: until there are enough or a checkpoint comes",
        ),
        OptionSpec::new(
            "sink.max-retries",
            OptionKind::Number(0, MOST),
            "3",
            "how often a write is tried again",
        ),
        OptionSpec::new(
            "sink.parallelism",
            OptionKind::Number(1, 32_767),
            "",
            "subtasks that write; those of the input without it",
        ),
    ],
    formats: &[],
    source: Some(|table, options| Ok(Arc::new(JdbcSource::new(Config::of(table, &options)?)))),
    sink: Some(|table, options| Ok(Arc::new(JdbcTarget::new(table, &options)?))),
};

/// The column that splits a scan, and the ranges, both ends included.
type Splits = (String, Vec<(i64, i64)>);

/// What every use of a table knows.
#[derive(Clone)]
pub(super) struct Config {
    /// The table's name in SQL, for errors.
    pub(super) place: String,
    pub(super) table: JdbcTable,
    pub(super) columns: Vec<TableColumn>,
    pub(super) projection: Projection,
    pub(super) zone: Zone,
    pub(super) fetch_rows: usize,
    pub(super) splits: Option<Splits>,
    pub(super) lookup_cache: LookupCache,
}

/// Where the database is, by the options of a table; `retries`: the option that limits them.
pub(super) fn connection(
    options: &Options,
    retries: Option<&str>,
) -> Result<(ConnectionConfig, JdbcUrl)> {
    let url = JdbcUrl::parse(options.text("url").unwrap_or_default())?;
    if options.is_given("username") != options.is_given("password") && url.password.is_none() {
        return Err(Error::config("either all or none of 'username' and 'password' must be given")
            .advice("give both; the password may be empty"));
    }
    let user = options.text("username").or(url.user.as_deref()).ok_or_else(|| {
        Error::config("there is no user to connect as")
            .advice("add 'username' = '...' and 'password' = '...'")
    })?;
    let password = options.text("password").or(url.password.as_deref()).unwrap_or_default();
    let timeout_ms = options.duration_ms("connection.max-retry-timeout").unwrap_or(60_000);
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0).max(1000));
    let mut config = ConnectionConfig::new(url.for_client(user))
        .password(password)
        .connect_timeout(timeout)
        .retry_timeout(timeout);
    if let Some(retries) = retries.and_then(|name| options.number(name)) {
        config = config.max_retries(u32::try_from(retries).unwrap_or(u32::MAX));
    }
    Ok((config, url))
}

/// Schema and table that the options name.
pub(super) fn named(options: &Options, url: &JdbcUrl) -> Result<(String, String)> {
    let (schema, table) = table_path(options.text("table-name").unwrap_or_default())?;
    let schema = schema.or_else(|| url.schema.clone()).unwrap_or_else(|| "public".into());
    Ok((schema, table))
}

/// Refuses METADATA columns and columns of types that the database has not.
pub(super) fn check_columns(table: &TableSpec) -> Result<()> {
    for column in &table.columns {
        if column.metadata.is_some() {
            return Err(Error::config(format!(
                "'jdbc' has no metadata for column '{}'",
                column.name
            ))
            .advice("leave the METADATA column out"));
        }
        if !values::has_form(&column.ty) {
            return Err(Error::config(format!(
                "'jdbc' has no form for {} of column '{}'",
                column.ty, column.name
            ))
            .advice("use a type that PostgreSQL has, or STRING for its text"));
        }
    }
    Ok(())
}

impl Config {
    fn of(table: &TableSpec, options: &Options) -> Result<Self> {
        check_columns(table)?;
        let (connection, url) = connection(options, Some(lookup::MAX_RETRIES.name))?;
        let (schema, name) = named(options, &url)?;
        let fetch = options.number("scan.fetch-size").unwrap_or(0);
        Ok(Config {
            place: table.name.clone(),
            table: JdbcTable::new(connection, &schema, &name)?,
            columns: table.columns.clone(),
            projection: Projection::all(&table.columns),
            zone: table.zone,
            fetch_rows: usize::try_from(fetch).ok().filter(|rows| *rows > 0).unwrap_or(2048),
            splits: splits(table, options)?,
            lookup_cache: lookup::cache_of(options)?,
        })
    }
}

fn splits(table: &TableSpec, options: &Options) -> Result<Option<Splits>> {
    let given = PARTITION.iter().filter(|name| options.is_given(name)).count();
    if given == 0 {
        return Ok(None);
    }
    let number = |name: &str| options.number(name);
    let (Some(column), Some(count), Some(low), Some(high)) = (
        options.text(PARTITION[0]),
        number(PARTITION[1]),
        number(PARTITION[2]),
        number(PARTITION[3]),
    ) else {
        return Err(Error::config("a part of the options of a split scan is missing")
            .advice(format!("give all or none of {}", PARTITION.join(", "))));
    };
    let Some(found) = table.columns.iter().find(|c| c.name == column) else {
        let names = table.columns.iter().map(|c| c.name.as_str());
        let advice = millstream_core::nearest::hint(column, names)
            .unwrap_or_else(|| "name a column of the table".into());
        let what = format!("{}: there is no column '{column}'", PARTITION[0]);
        return Err(Error::config(what).advice(advice));
    };
    if found.ty.kind.family() != crate::types::Family::Numeric {
        return Err(Error::config(format!(
            "{}: column '{column}' is {}, no number",
            PARTITION[0], found.ty
        ))
        .advice("split by a column of numbers"));
    }
    if low > high {
        return Err(Error::config(format!(
            "'{}' = '{low}' must not be larger than '{}' = '{high}'",
            PARTITION[2], PARTITION[3]
        ))
        .advice("exchange them"));
    }
    Ok(Some((column.to_owned(), ranges(low, high, count))))
}

/// Flink's ranges: as even as they can be, the longer ones first.
fn ranges(low: i64, high: i64, count: i64) -> Vec<(i64, i64)> {
    let values = i128::from(high) - i128::from(low) + 1;
    let count = i128::from(count.max(1)).min(values);
    let size = (values + count - 1) / count;
    let long = values - (size - 1) * count;
    let mut start = i128::from(low);
    let mut ranges = vec![];
    for index in 0..count {
        let end = start + size - 1 - i128::from(index >= long);
        // Both are between low and high.
        ranges.push((i64::try_from(start).unwrap_or(low), i64::try_from(end).unwrap_or(high)));
        start = end + 1;
    }
    ranges
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::connectors::testing::{options, sink, source};
    use crate::types::SqlType;

    const NEEDED: &[(&str, &str)] = &[
        ("connector", "jdbc"),
        ("url", "jdbc:postgresql://localhost/shop"),
        ("table-name", "orders"),
        ("username", "me"),
        ("password", "hunter2"),
    ];

    fn refused(more: &[(&str, &str)], part: &str) {
        let columns = vec![TableColumn::physical("id", SqlType::bigint())];
        let mut given = options(NEEDED);
        given.extend(options(more));
        let table = TableSpec::new("t", columns, given);
        let error = source(&table).err().or_else(|| sink(&table).err()).unwrap().to_string();
        assert!(error.contains(part) && error.contains("table 't'"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn options_are_checked_without_a_server() {
        refused(
            &[("sink.buffer-flush.max-row", "1")],
            "did you mean 'sink.buffer-flush.max-rows'?",
        );
        refused(&[("url", "jdbc:mysql://localhost/x")], "only PostgreSQL");
        refused(&[("table-name", "a b")], "table-name");
        refused(&[("scan.partition.num", "2")], "give all or none");
        let split = |low: &'static str, high: &'static str, column: &'static str| {
            [
                ("scan.partition.column", column),
                ("scan.partition.num", "2"),
                ("scan.partition.lower-bound", low),
                ("scan.partition.upper-bound", high),
            ]
        };
        refused(&split("5", "1", "id"), "must not be larger");
        refused(&split("1", "5", "idd"), "did you mean 'id'?");
        refused(&[("lookup.partial-cache.max-rows", "5")], "needs 'lookup.cache' = 'PARTIAL'");
        refused(&[("lookup.cache", "PARTIAL")], "has no bound");
        refused(&[("lookup.cache", "FULL")], "NONE, PARTIAL");
        refused(&[("password", "hunter2"), ("scan.fetch-size", "x")], "scan.fetch-size");
    }

    #[test]
    fn ranges_cover_everything_once() {
        assert_eq!(ranges(1, 10, 3), [(1, 4), (5, 7), (8, 10)]);
        assert_eq!(ranges(0, 1, 5), [(0, 0), (1, 1)]);
        assert_eq!(ranges(7, 7, 1), [(7, 7)]);
        let all = ranges(i64::MIN, i64::MAX, 2);
        assert_eq!((all[0].0, all[0].1 + 1, all[1].1), (i64::MIN, all[1].0, i64::MAX));
    }
}
