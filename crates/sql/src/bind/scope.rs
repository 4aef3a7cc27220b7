//! Which columns a name can mean.
//!
//! Names are compared as they are written: Flink's identifiers are case-sensitive.

use crate::dialect::ast::Ident;
use crate::plan::logical::Schema;
use crate::types::SqlType;
use millstream_core::nearest;
use millstream_core::{Error, Result};

/// A column that can be named.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    /// Names of the table, most specific last: `[catalog, database, table]` or `[alias]`.
    pub(crate) table: Vec<String>,
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: SqlType,
    /// Left out of `*` (the second of two columns joined by USING).
    pub(crate) hidden: bool,
    /// Above 0 for a column joined by USING: of `*` the highest come first.
    pub(crate) merged: u32,
}

/// The columns of a `FROM`, in the order of the plan's schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<ScopeColumn>,
}

/// A column that a name was found to mean, and how many parts of the name it took.
pub(crate) struct Found {
    pub(crate) index: usize,
    pub(crate) parts: usize,
}

impl Scope {
    /// The columns of one table.
    pub(crate) fn of_table(table: &[String], schema: &Schema) -> Scope {
        let column = |f: &crate::plan::logical::Field| ScopeColumn {
            table: table.to_vec(),
            name: f.name.clone(),
            ty: f.ty.clone(),
            hidden: false,
            merged: 0,
        };
        Scope { columns: schema.iter().map(column).collect() }
    }
    /// Both, the other one's columns behind.
    pub(crate) fn and(mut self, other: Scope) -> Scope {
        self.columns.extend(other.columns);
        self
    }
    /// Types as the plan has them now (an outer join makes columns nullable).
    pub(crate) fn with_types(mut self, schema: &Schema) -> Scope {
        for (column, field) in self.columns.iter_mut().zip(schema) {
            column.ty = field.ty.clone();
        }
        self
    }

    fn table_matches(table: &[String], written: &[Ident]) -> bool {
        table.len() >= written.len()
            && table[table.len() - written.len()..].iter().eq(written.iter().map(|i| &i.value))
    }

    /// The column that `parts` begin with: `[[catalog.]database.]table.column` or `column`,
    /// with fields behind. `None` when there is none.
    ///
    /// # Errors
    /// `Config`, when there are several.
    pub(crate) fn find(&self, parts: &[Ident]) -> Result<Option<Found>> {
        for table_parts in (0..parts.len().min(4)).rev() {
            let (table, rest) = parts.split_at(table_parts);
            let Some(column) = rest.first() else { continue };
            let mut found =
                self.columns.iter().enumerate().filter(|(_, c)| {
                    c.name == column.value && Self::table_matches(&c.table, table)
                });
            let Some((index, first)) = found.next() else { continue };
            let other = found.find(|(_, c)| !(c.hidden && table.is_empty()));
            if other.is_some() && !first.hidden {
                let error = Error::config(format!("column '{}' is ambiguous", column.value));
                return Err(error.advice("write the table's name before it"));
            }
            return Ok(Some(Found { index, parts: table_parts + 1 }));
        }
        Ok(None)
    }

    /// The columns that `*` means: those joined by USING, of the outermost join first, then
    /// the others.
    pub(crate) fn star(&self) -> Vec<usize> {
        let mut all: Vec<usize> =
            (0..self.columns.len()).filter(|i| !self.columns[*i].hidden).collect();
        all.sort_by_key(|i| std::cmp::Reverse(self.columns[*i].merged));
        all
    }

    /// The columns of a table, by index; `None` when there is no such table.
    pub(crate) fn columns_of(&self, table: &[Ident]) -> Option<Vec<usize>> {
        let of = |c: &ScopeColumn| Self::table_matches(&c.table, table);
        let columns: Vec<usize> =
            self.columns.iter().enumerate().filter(|(_, c)| of(c)).map(|(i, _)| i).collect();
        (!columns.is_empty()).then_some(columns)
    }

    /// The error for a name that means nothing.
    pub(crate) fn unknown(&self, parts: &[Ident]) -> Error {
        let last = parts.last().map_or("", |i| i.value.as_str());
        let tables: Vec<&str> =
            self.columns.iter().filter_map(|c| c.table.last()).map(String::as_str).collect();
        if let [table, .., column] = parts
            && let Some(columns) = self.columns_of(&parts[..parts.len() - 1])
        {
            let what = format!("column '{}' not found in table '{}'", column.value, table.value);
            let names = columns.iter().map(|i| self.columns[*i].name.as_str());
            return with_hint(Error::config(what), last, names.collect());
        }
        if let [table, _, ..] = parts
            && !tables.contains(&table.value.as_str())
        {
            let error = Error::config(format!("table '{}' not found", table.value));
            return with_hint(error, &table.value, tables);
        }
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        with_hint(Error::config(format!("column '{last}' not found in any table")), last, names)
    }
}

fn with_hint(error: Error, word: &str, known: Vec<&str>) -> Error {
    if let Some(hint) = nearest::hint(word, known.iter().copied()) {
        return error.advice(hint);
    }
    let mut names: Vec<&str> = known.into_iter().take(20).collect();
    names.dedup();
    match names.is_empty() {
        true => error.advice("there is no FROM that has columns"),
        false => error.advice(format!("known are: {}", names.join(", "))),
    }
}
