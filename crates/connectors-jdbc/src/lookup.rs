//! Rows of a table by keys, many keys at a time.
//!
//! ```text
//!   SELECT u.i, t."name" FROM UNNEST($1::int8[]) WITH ORDINALITY AS u(c1, i)
//!   JOIN "public"."users" AS t ON t."id" = u.c1
//! ```
//! Keys are compared as what they are, not as what the column can hold: a number outside the
//! range of the column, or a text longer than it, finds nothing and is no error.
//!
//! Invariant: at most as many connections as requests at a time; one that failed is not used
//! again.

use crate::database::Database;
use crate::scan::{JdbcColumn, JdbcRow, JdbcTable, Raw};
use crate::statement::{self, Array, Target, quote};
use crate::table;
use crate::value::{SqlType, SqlValue};
use crate::wire::{PgType, PgValue};
use millstream_core::{Error, Result};
use postgres::types::ToSql;
use std::sync::{Mutex, PoisonError};

/// Asks for rows by key.
pub struct JdbcLookup {
    table: JdbcTable,
    idle: Mutex<Vec<Database>>,
    keys: Vec<Target>,
    types: Vec<PgType>,
    sql: String,
}

impl std::fmt::Debug for JdbcLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JdbcLookup").field("sql", &self.sql).finish_non_exhaustive()
    }
}

fn same(key: &Target, index: usize) -> String {
    let value = format!("u.c{}", index + 1);
    let value = match key.wire {
        SqlType::Text | SqlType::Timestamp => format!("CAST({value} AS {})", key.type_name),
        _ => value,
    };
    format!("t.{} = {value}", quote(&key.name))
}

impl JdbcLookup {
    /// For the rows of `table` whose columns `keys` have given values, of these types; answers
    /// have `columns`. Asks the server for the types of the keys.
    ///
    /// # Errors
    /// `Config`: a column is not there, or cannot be compared with its key.
    pub fn open(
        table: JdbcTable,
        keys: &[(String, SqlType)],
        columns: &[JdbcColumn],
    ) -> Result<Self> {
        let name = table.name();
        let mut database = Database::new(table.connection.clone());
        let found =
            database.run("read the table's columns", |client| table::columns(client, &name))?;
        let key = |(wanted, wire): &(String, SqlType)| {
            let found = table::column(&found, wanted, &name)?;
            if !found.can_take(*wire) {
                return Err(Error::config(format!(
                    "column '{}' of table {name} is {}, the key is {}",
                    found.name,
                    found.type_name,
                    wire.name()
                ))
                .advice("cast the key in the join's condition"));
            }
            Ok(Target { name: found.name.clone(), wire: *wire, type_name: found.base_name.clone() })
        };
        let keys = keys.iter().map(key).collect::<Result<Vec<Target>>>()?;
        let arrays: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(i, k)| format!("${}::{}[]", i + 1, k.wire.name()))
            .collect();
        let names: Vec<String> = (1..=keys.len()).map(|i| format!("c{i}, ")).collect();
        let on: Vec<String> = keys.iter().enumerate().map(|(i, key)| same(key, i)).collect();
        let list: String = columns.iter().map(|c| format!(", {}", c.selected("t"))).collect();
        let sql = format!(
            "SELECT u.i{list} FROM UNNEST({}) WITH ORDINALITY AS u({}i) JOIN {name} AS t ON {}",
            arrays.join(", "),
            names.concat(),
            on.join(" AND ")
        );
        let types = columns.iter().map(|c| c.ty.clone()).collect();
        Ok(JdbcLookup { table, idle: Mutex::new(vec![database]), keys, types, sql })
    }

    /// Gives each row of these keys to `each`, with the index of its key. Waits for the server.
    ///
    /// # Errors
    /// Those of `each`; `Retry`: no server within the retries.
    pub fn rows(
        &self,
        keys: &[Vec<SqlValue>],
        mut each: impl FnMut(u32, JdbcRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let rows: Vec<&[SqlValue]> = keys.iter().map(Vec::as_slice).collect();
        let array = |(index, key): (usize, &Target)| statement::array(key, index, &rows);
        let arrays: Vec<Array> = self.keys.iter().enumerate().map(array).collect::<Result<_>>()?;
        let bound: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(Array::as_sql).collect();
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = idle().pop();
        let mut database = reused.unwrap_or_else(|| Database::new(self.table.connection.clone()));
        let answer = database.run("look rows up", |client| Ok(client.query(&self.sql, &bound)?))?;
        idle().push(database);
        for row in &answer {
            let index: Option<Raw<'_>> =
                row.try_get(0).map_err(|e| Error::bug(format!("an answer cannot be read: {e}")))?;
            let ordinal = index.map(|raw| PgType::Int.value(raw.0)).transpose()?;
            let Some(PgValue::Int(ordinal)) = ordinal else {
                return Err(Error::bug("an answer without the number of its key"));
            };
            let index = u32::try_from(ordinal - 1).unwrap_or(u32::MAX);
            each(index, JdbcRow { row, types: &self.types, first: 1 })?;
        }
        Ok(())
    }
}
