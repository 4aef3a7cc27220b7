//! Statements: identifiers quoted, values as arrays.
//!
//! One statement for any number of rows: each column is one bound array, so there is no limit
//! of 65535 parameters, and the server parses the same text every time.
//!
//! ```text
//!   INSERT INTO "public"."orders" ("id", "amount")
//!   SELECT CAST(u.c1 AS integer), CAST(u.c2 AS numeric)
//!   FROM UNNEST($1::int8[], $2::text[]) AS u(c1, c2)
//!   ON CONFLICT ("id") DO UPDATE SET "amount" = EXCLUDED."amount"
//! ```

use crate::value::{SqlType, SqlValue, TimestampMs};
use millstream_core::{Error, Result};
use postgres::types::ToSql;
use std::time::SystemTime;

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table in its schema, in quotes.
pub(crate) fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote(schema), quote(table))
}

/// What the server cannot take as an identifier.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    // Longer names are cut off by the server, silently.
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        return Err(Error::config(format!("{what} '{}' is no name", name.escape_default()))
            .advice("use 1 to 63 bytes"));
    }
    Ok(())
}

/// A column as the statement needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// What is bound.
    pub(crate) wire: SqlType,
    /// The column's own type, as the server spells it, without length and digits.
    pub(crate) type_name: String,
}

fn unnest(columns: &[&Target]) -> String {
    let arrays =
        columns.iter().enumerate().map(|(i, c)| format!("${}::{}[]", i + 1, c.wire.name()));
    let names = (1..=columns.len()).map(|i| format!("c{i}"));
    let (arrays, names): (Vec<_>, Vec<_>) = (arrays.collect(), names.collect());
    format!("UNNEST({}) AS u({})", arrays.join(", "), names.join(", "))
}

fn cast(index: usize, column: &Target) -> String {
    format!("CAST(u.c{} AS {})", index + 1, column.type_name)
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// Inserts rows; with a key, replaces those that are there.
pub(crate) fn insert(table: &str, columns: &[Target], key: &[String]) -> String {
    let all: Vec<&Target> = columns.iter().collect();
    let names = quoted(columns.iter().map(|c| c.name.as_str()));
    let values: Vec<String> = columns.iter().enumerate().map(|(i, c)| cast(i, c)).collect();
    let from = unnest(&all);
    let mut sql = format!("INSERT INTO {table} ({names}) SELECT {} FROM {from}", values.join(", "));
    if !key.is_empty() {
        let others = columns.iter().filter(|c| !key.contains(&c.name));
        let set: Vec<String> =
            others.map(|c| format!("{0} = EXCLUDED.{0}", quote(&c.name))).collect();
        let action = match set.is_empty() {
            true => "NOTHING".to_owned(),
            false => format!("UPDATE SET {}", set.join(", ")),
        };
        sql += &format!(" ON CONFLICT ({}) DO {action}", quoted(key.iter().map(String::as_str)));
    }
    sql
}

/// Deletes rows by key; `columns` are the key's.
pub(crate) fn delete(table: &str, columns: &[&Target]) -> String {
    let same: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| format!("t.{} = {}", quote(&c.name), cast(i, c)))
        .collect();
    format!("DELETE FROM {table} AS t USING {} WHERE {}", unnest(columns), same.join(" AND "))
}

/// A column of many rows, to be bound as an array.
pub(crate) enum Array {
    Bool(Vec<Option<bool>>),
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Timestamp(Vec<Option<SystemTime>>),
}

impl Array {
    pub(crate) fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Array::Bool(values) => values,
            Array::Int(values) => values,
            Array::Float(values) => values,
            Array::Text(values) => values,
            Array::Bytes(values) => values,
            Array::Timestamp(values) => values,
        }
    }
}

/// Column `index` of `rows` as an array.
pub(crate) fn array(column: &Target, index: usize, rows: &[&[SqlValue]]) -> Result<Array> {
    let wrong = || Error::bug(format!("a value of another type for column '{}'", column.name));
    macro_rules! gather {
        ($array:ident, $kind:ident, $v:ident => $value:expr) => {{
            let mut values = Vec::with_capacity(rows.len());
            for row in rows {
                values.push(match row.get(index) {
                    Some(SqlValue::Null) => None,
                    Some(SqlValue::$kind($v)) => Some($value),
                    _ => return Err(wrong()),
                });
            }
            Array::$array(values)
        }};
    }
    Ok(match column.wire {
        SqlType::Bool => gather!(Bool, Bool, v => *v),
        SqlType::Int => gather!(Int, Int, v => *v),
        SqlType::Float => gather!(Float, Float, v => *v),
        SqlType::Bytes => gather!(Bytes, Bytes, v => v.clone()),
        SqlType::Text => gather!(Text, Text, v => {
            if v.contains('\0') {
                return Err(Error::data(format!("text with a zero byte for column '{}'", column.name))
                    .advice("remove it: PostgreSQL stores no text with zero bytes"));
            }
            v.clone()
        }),
        SqlType::Timestamp => gather!(Timestamp, Timestamp, v => {
            TimestampMs(*v).to_system_time().ok_or_else(|| {
                Error::data(format!("time {v} for column '{}' is out of range", column.name))
            })?
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, wire: SqlType, type_name: &str) -> Target {
        Target { name: name.into(), wire, type_name: type_name.into() }
    }

    #[test]
    fn identifiers_cannot_break_out_of_their_quotes() {
        assert_eq!(
            qualified("public", "a\"; DROP TABLE x; --"),
            "\"public\".\"a\"\"; DROP TABLE x; --\""
        );
        assert!(check_name("table", &"x".repeat(64)).is_err());
        assert!(check_name("table", "").is_err() && check_name("table", "a\0").is_err());
    }

    #[test]
    fn statements_are_the_same_for_any_number_of_rows() {
        let columns = [target("id", SqlType::Int, "integer"), target("to", SqlType::Text, "uuid")];
        let table = qualified("s", "t");
        assert_eq!(
            insert(&table, &columns, &[]),
            "INSERT INTO \"s\".\"t\" (\"id\", \"to\") SELECT CAST(u.c1 AS integer), \
             CAST(u.c2 AS uuid) FROM UNNEST($1::int8[], $2::text[]) AS u(c1, c2)"
        );
        let upsert = insert(&table, &columns, &["id".into()]);
        assert!(upsert.ends_with("ON CONFLICT (\"id\") DO UPDATE SET \"to\" = EXCLUDED.\"to\""));
        let keys_only = insert(&table, &columns[..1], &["id".into()]);
        assert!(keys_only.ends_with("ON CONFLICT (\"id\") DO NOTHING"));
        assert_eq!(
            delete(&table, &[&columns[0]]),
            "DELETE FROM \"s\".\"t\" AS t USING UNNEST($1::int8[]) AS u(c1) \
             WHERE t.\"id\" = CAST(u.c1 AS integer)"
        );
    }
}
