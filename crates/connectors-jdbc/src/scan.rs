//! A table that is read: its columns, and a cursor over its rows.
//!
//! ```text
//!   BEGIN READ ONLY; DECLARE CURSOR FOR SELECT columns FROM table [WHERE range] [OFFSET n]
//!   FETCH n ──> rows ──> whoever makes columns        memory: one fetch
//! ```
//! One transaction sees one state of the table. A scan that is begun again behind `n` rows
//! finds the same order as long as the table has not changed: scans start at the first block.

use crate::config::ConnectionConfig;
use crate::database::{Database, Failure};
use crate::statement::{check_name, qualified, quote};
use crate::table::{self, Found};
use crate::wire::{PgType, PgValue};
use millstream_core::{Error, Result};
use postgres::Row;
use postgres::types::{FromSql, Type};

/// A table of a database.
#[derive(Clone, Debug)]
pub struct JdbcTable {
    pub(crate) connection: ConnectionConfig,
    schema: String,
    table: String,
}

/// A column of a table outside.
#[derive(Clone, Debug)]
pub struct JdbcColumn {
    /// Its name in the table.
    pub name: String,
    /// Its type, as the server spells it.
    pub type_name: String,
    /// What its values look like.
    pub ty: PgType,
}

impl JdbcColumn {
    pub(crate) fn of(found: &Found) -> Self {
        JdbcColumn {
            name: found.name.clone(),
            type_name: found.type_name.clone(),
            ty: found.ty.clone(),
        }
    }
    /// The column in a SELECT list.
    pub(crate) fn selected(&self, table: &str) -> String {
        let cast = if self.ty == PgType::Other { "::text" } else { "" };
        format!("{table}.{}{cast}", quote(&self.name))
    }
}

impl JdbcTable {
    /// A table by schema and name, taken as they are.
    ///
    /// # Errors
    /// `Config`: one of the names is none, or the connection cannot be read.
    pub fn new(connection: ConnectionConfig, schema: &str, table: &str) -> Result<Self> {
        check_name("schema", schema)?;
        check_name("table", table)?;
        connection.check()?;
        Ok(JdbcTable { connection, schema: schema.into(), table: table.into() })
    }
    /// Schema and table, quoted.
    pub fn name(&self) -> String {
        qualified(&self.schema, &self.table)
    }
    /// The columns with these names, in this order; a name that there is in lower case only is
    /// meant by any case.
    ///
    /// # Errors
    /// `Config`: no such table or column; `Retry`: no server.
    pub fn columns(&self, names: &[&str]) -> Result<Vec<JdbcColumn>> {
        let name = self.name();
        let mut database = Database::new(self.connection.clone());
        let found =
            database.run("read the table's columns", |client| table::columns(client, &name))?;
        let column = |wanted: &&str| table::column(&found, wanted, &name).map(JdbcColumn::of);
        names.iter().map(column).collect()
    }

    /// Begins to read `columns`: of rows whose column `within` is in a range, both ends
    /// included; behind the first `skip` rows.
    ///
    /// # Errors
    /// `Config`: the table or a column is not there, or may not be read.
    pub fn scan(
        &self,
        columns: &[JdbcColumn],
        within: Option<(&JdbcColumn, i64, i64)>,
        skip: u64,
    ) -> Result<JdbcCursor> {
        let list: Vec<String> = columns.iter().map(|c| c.selected("t")).collect();
        let mut sql = format!(
            "BEGIN READ ONLY; SET LOCAL synchronize_seqscans = off; \
             SET LOCAL cursor_tuple_fraction = 1; \
             DECLARE scan NO SCROLL CURSOR FOR SELECT {} FROM {} AS t",
            list.join(", "),
            self.name()
        );
        if let Some((column, low, high)) = within {
            sql += &format!(" WHERE t.{} BETWEEN {low} AND {high}", quote(&column.name));
        }
        if skip > 0 {
            sql += &format!(" OFFSET {skip}");
        }
        let mut database = Database::new(self.connection.clone());
        database.run("begin a scan", |client| Ok(client.batch_execute(&sql)?))?;
        Ok(JdbcCursor { database, types: columns.iter().map(|c| c.ty.clone()).collect() })
    }
}

/// A scan on its way.
pub struct JdbcCursor {
    database: Database,
    types: Vec<PgType>,
}

impl JdbcCursor {
    /// Gives the next rows to `each`, at most `rows`; the number of them, 0 at the end.
    ///
    /// # Errors
    /// Those of `each`; `Restart`: the connection was lost, the scan must begin again.
    pub fn fetch(
        &mut self,
        rows: usize,
        mut each: impl FnMut(JdbcRow<'_>) -> Result<()>,
    ) -> Result<usize> {
        let types = &self.types;
        self.database.go_on("read the next rows", |client| {
            let fetched = client.query(&format!("FETCH FORWARD {rows} FROM scan"), &[])?;
            for row in &fetched {
                each(JdbcRow { row, types, first: 0 }).map_err(Failure::Ours)?;
            }
            Ok(fetched.len())
        })
    }
}

/// A row that was read.
#[derive(Clone, Copy)]
pub struct JdbcRow<'a> {
    pub(crate) row: &'a Row,
    pub(crate) types: &'a [PgType],
    /// The row's column of the first type.
    pub(crate) first: usize,
}

/// The bytes of a value, whatever its type.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> JdbcRow<'a> {
    /// The value of a column, by its place in what was asked for; `None` is NULL.
    ///
    /// # Errors
    /// Data: it has no SQL value. Bug: there is no such column.
    pub fn value(&self, index: usize) -> Result<Option<PgValue<'a>>> {
        let ty = self.types.get(index);
        let ty = ty.ok_or_else(|| Error::bug(format!("column {index} was not asked for")))?;
        let raw: Option<Raw<'a>> = self
            .row
            .try_get(self.first + index)
            .map_err(|e| Error::bug(format!("column {index} of a row cannot be read: {e}")))?;
        raw.map(|raw| ty.value(raw.0)).transpose()
    }
}
