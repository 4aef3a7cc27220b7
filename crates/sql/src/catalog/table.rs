//! Tables and views as they were defined.
//!
//! Expressions are kept as they were written and bound when the table is read, since
//! functions and settings may differ then; their types were found when it was made.

use super::Path;
use crate::connectors::{TableSource, TableSpec};
use crate::dialect::ast::{Expr, ExprKind, Query};
use crate::types::SqlType;
use millstream_core::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

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

impl Watermark {
    /// Whether it is `SOURCE_WATERMARK()`: the watermarks that come with the rows.
    pub fn is_of_source(&self) -> bool {
        let ExprKind::Call(call) = &self.expr.kind else { return false };
        let [name] = call.name.0.as_slice() else { return false };
        call.args.is_empty() && name.value.eq_ignore_ascii_case("SOURCE_WATERMARK")
    }
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
    /// The stream that it is, in place of a connector.
    pub stream: Option<StreamTable>,
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

/// A stream of a job that is a table: makes its source for the columns that are read.
#[derive(Clone)]
pub struct StreamTable(Arc<MakeStreamSource>);

type MakeStreamSource = dyn Fn(&TableSpec) -> Result<Arc<dyn TableSource>> + Send + Sync;

impl StreamTable {
    /// From what makes the source.
    pub fn new(
        make: impl Fn(&TableSpec) -> Result<Arc<dyn TableSource>> + Send + Sync + 'static,
    ) -> Self {
        StreamTable(Arc::new(make))
    }
    pub(crate) fn source(&self, table: &TableSpec) -> Result<Arc<dyn TableSource>> {
        (self.0)(table)
    }
}

impl std::fmt::Debug for StreamTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a stream")
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
