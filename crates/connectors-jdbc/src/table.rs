//! What the server knows of the table, against what is wanted of it.
//!
//! Before data flows. Invariant: a table that cannot take the rows is refused with the names
//! of its columns and their types.

use crate::database::{Database, Failure};
use crate::statement::{Target, qualified};
use crate::value::SqlType;
use crate::wire::PgType;
use millstream_core::{Error, Result};
use postgres::Client;
use std::collections::BTreeSet;

/// A column that the sink writes.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) wire: SqlType,
}

/// The system catalogue: name, type, category, not null, has a default, name of the type
/// without its length, of its elements (of a domain: of what is below it), type as in a CAST.
const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
     t.typcategory::text, a.attnotnull, a.atthasdef OR a.attidentity <> '', \
     b.typname::text, e.typname::text, pg_catalog.format_type(a.atttypid, -1) \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
     JOIN pg_catalog.pg_type b ON b.oid = COALESCE(NULLIF(t.typbasetype, 0), t.oid) \
     LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND b.typcategory = 'A' \
     WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
     ORDER BY a.attnum";
/// The columns of every unique index over plain columns.
const UNIQUE: &str = "SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid \
       AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1]) \
     WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid \
       AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid";

/// A column as the catalogue has it.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) type_name: String,
    category: String,
    needs_value: bool,
    /// What its values look like on the wire.
    pub(crate) ty: PgType,
    /// Its type without length and digits.
    pub(crate) base_name: String,
}

impl Found {
    /// Whether values that go over the wire like this fit it.
    pub(crate) fn can_take(&self, wire: SqlType) -> bool {
        wire.fits(&self.category, &self.type_name)
    }
}

/// The columns of a table; `name` is qualified and quoted.
pub(crate) fn columns(client: &mut Client, name: &str) -> Result<Vec<Found>, Failure> {
    let rows = client.query(COLUMNS, &[&name])?;
    if rows.is_empty() {
        return Err(Failure::Ours(
            Error::config(format!("table {name} does not exist"))
                .advice("create it, or fix schema and table; tables are never created here"),
        ));
    }
    let found = rows.iter().map(|row| {
        let (not_null, default): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
        let (of, item): (String, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
        Ok(Found {
            name: row.try_get(0)?,
            type_name: row.try_get(1)?,
            category: row.try_get(2)?,
            needs_value: not_null && !default,
            ty: PgType::of(&of, item.as_deref()),
            base_name: row.try_get(7)?,
        })
    });
    Ok(found.collect::<Result<Vec<Found>, postgres::Error>>()?)
}

/// The column of a name: exactly, or in lower case, as SQL without quotes means it.
pub(crate) fn column<'a>(columns: &'a [Found], name: &str, table: &str) -> Result<&'a Found> {
    let lower = name.to_ascii_lowercase();
    let exact = columns.iter().find(|c| c.name == name);
    exact.or_else(|| columns.iter().find(|c| c.name == lower)).ok_or_else(|| {
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        Error::config(format!("table {table} has no column '{name}'"))
            .advice(format!("its columns are: {}", names.join(", ")))
    })
}

/// Checks the table and answers the columns with their own types.
pub(crate) fn check(
    database: &mut Database,
    schema: &str,
    table: &str,
    wanted: &[Wanted],
    key: &[String],
) -> Result<Vec<Target>> {
    let name = qualified(schema, table);
    let (columns, unique) = database.run("read the table's columns", |client| {
        let found = columns(client, &name)?;
        let unique = client.query(UNIQUE, &[&name])?;
        let unique = unique.iter().map(|row| row.try_get(0));
        Ok((found, unique.collect::<Result<Vec<Vec<String>>, postgres::Error>>()?))
    })?;
    let mut targets = Vec::new();
    for want in wanted {
        let found = column(&columns, &want.name, &name)?;
        if !found.can_take(want.wire) {
            return Err(Error::config(format!(
                "column '{}' of table {name} is {}, the sink writes {}",
                want.name,
                found.type_name,
                want.wire.name()
            ))
            .advice("change the column's function, or the column"));
        }
        targets.push(Target {
            name: found.name.clone(),
            wire: want.wire,
            // Not with its length: a CAST would cut text off, which an INSERT refuses.
            type_name: found.base_name.clone(),
        });
    }
    let unset = columns.iter().find(|c| c.needs_value && targets.iter().all(|t| t.name != c.name));
    if let Some(found) = unset {
        return Err(Error::config(format!(
            "column '{}' of table {name} is NOT NULL without a default, and the sink does not \
             write it",
            found.name
        ))
        .advice("add the column to the sink, or give it a default"));
    }
    let of_key = |key: &String| column(&columns, key, &name).map(|found| &found.name);
    let key: BTreeSet<&String> = key.iter().map(of_key).collect::<Result<_>>()?;
    let same = |index: &Vec<String>| index.iter().collect::<BTreeSet<_>>() == key;
    if !key.is_empty() && !unique.iter().any(same) {
        let names: Vec<&str> = key.iter().map(|k| k.as_str()).collect();
        return Err(Error::config(format!(
            "table {name} has no primary key or unique index over exactly ({})",
            names.join(", ")
        ))
        .advice("upserts need one: create it, or set key to the columns of one"));
    }
    Ok(targets)
}
