//! What the server knows of the table, against what the sink wants to write.
//!
//! Before data flows. Invariant: a table that cannot take the rows is refused with the names
//! of its columns and their types.

use crate::database::Database;
use crate::statement::{Target, qualified};
use crate::value::SqlType;
use millstream_core::{Error, Result};
use std::collections::BTreeSet;

/// A column that the sink writes.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) wire: SqlType,
}

/// The system catalogue: name, type, category, not null, has a default.
const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
     t.typcategory::text, a.attnotnull, a.atthasdef OR a.attidentity <> '' \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
     WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
     ORDER BY a.attnum";
/// The columns of every unique index over plain columns.
const UNIQUE: &str = "SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid \
       AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1]) \
     WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid \
       AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid";

struct Found {
    name: String,
    type_name: String,
    category: String,
    needs_value: bool,
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
        let columns = client.query(COLUMNS, &[&name])?;
        let unique = client.query(UNIQUE, &[&name])?;
        let found = columns
            .iter()
            .map(|row| {
                let (not_null, default): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
                Ok(Found {
                    name: row.try_get(0)?,
                    type_name: row.try_get(1)?,
                    category: row.try_get(2)?,
                    needs_value: not_null && !default,
                })
            })
            .collect::<Result<Vec<Found>, postgres::Error>>()?;
        let unique = unique.iter().map(|row| row.try_get(0));
        Ok((found, unique.collect::<Result<Vec<Vec<String>>, postgres::Error>>()?))
    })?;
    if columns.is_empty() {
        return Err(Error::config(format!("table {name} does not exist"))
            .advice("create it, or fix schema and table; tables are never created by the sink"));
    }
    let mut targets = Vec::new();
    for want in wanted {
        let Some(found) = columns.iter().find(|c| c.name == want.name) else {
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            return Err(Error::config(format!("table {name} has no column '{}'", want.name))
                .advice(format!("its columns are: {}", names.join(", "))));
        };
        if !want.wire.fits(&found.category, &found.type_name) {
            return Err(Error::config(format!(
                "column '{}' of table {name} is {}, the sink writes {}",
                want.name,
                found.type_name,
                want.wire.name()
            ))
            .advice("change the column's function, or the column"));
        }
        targets.push(Target {
            name: want.name.clone(),
            wire: want.wire,
            type_name: found.type_name.clone(),
        });
    }
    let unset = columns.iter().find(|c| c.needs_value && wanted.iter().all(|w| w.name != c.name));
    if let Some(found) = unset {
        return Err(Error::config(format!(
            "column '{}' of table {name} is NOT NULL without a default, and the sink does not \
             write it",
            found.name
        ))
        .advice("add the column to the sink, or give it a default"));
    }
    let key: BTreeSet<&String> = key.iter().collect();
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
