//! Tables and views as they were defined.
//!
//! Expressions are kept as they were written and bound when the table is read, since
//! functions and settings may differ then; their types were found when it was made.

use super::Path;
use crate::dialect::ast::{Expr, Query};
use crate::types::SqlType;
use std::collections::BTreeMap;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as queries see it (a rowtime is a time attribute).
    pub ty: SqlType,
    /// Where its values come from.
    pub kind: ColumnKind,
    /// `COMMENT`.
    pub comment: Option<String>,
}

/// Where the values of a column come from.
#[derive(Clone, Debug)]
pub enum ColumnKind {
    /// The connector's format.
    Physical,
    /// An expression over the other columns.
    Computed {
        /// The expression.
        expr: Expr,
        /// Its text, as `DESCRIBE` shows it.
        text: String,
    },
    /// The connector, beside the format.
    Metadata {
        /// The connector's name for it; the column's own when `None`.
        key: Option<String>,
        /// Not written.
        is_virtual: bool,
    },
}

/// `WATERMARK FOR column AS expr`.
#[derive(Clone, Debug)]
pub struct Watermark {
    /// Index of the column.
    pub column: usize,
    /// The watermark of a row.
    pub expr: Expr,
    /// Its text.
    pub text: String,
}

/// `PRIMARY KEY (...) NOT ENFORCED`.
#[derive(Clone, Debug)]
pub struct PrimaryKey {
    /// Its name.
    pub name: String,
    /// Names of its columns.
    pub columns: Vec<String>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableDef {
    /// Its path.
    pub path: Path,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its watermark.
    pub watermark: Option<Watermark>,
    /// Its key.
    pub primary_key: Option<PrimaryKey>,
    /// `PARTITIONED BY`.
    pub partition_keys: Vec<String>,
    /// `WITH (...)`.
    pub options: BTreeMap<String, String>,
    /// `COMMENT`.
    pub comment: Option<String>,
    /// Whether it was made with `TEMPORARY`.
    pub temporary: bool,
}

impl TableDef {
    /// Index of a column by name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
    /// Columns that an INSERT writes: physical ones and metadata that is not virtual.
    pub fn sink_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, c)| match &c.kind {
            ColumnKind::Physical => true,
            ColumnKind::Computed { .. } => false,
            ColumnKind::Metadata { is_virtual, .. } => !is_virtual,
        })
    }
}

/// A view.
#[derive(Clone, Debug)]
pub struct ViewDef {
    /// Its path.
    pub path: Path,
    /// Names and types of its columns.
    pub columns: Vec<(String, SqlType)>,
    /// Its query.
    pub query: Query,
    /// The query's text.
    pub text: String,
    /// The catalog and database that its names without them mean.
    pub home: (String, String),
    /// `COMMENT`.
    pub comment: Option<String>,
    /// Whether it was made with `TEMPORARY`.
    pub temporary: bool,
}
