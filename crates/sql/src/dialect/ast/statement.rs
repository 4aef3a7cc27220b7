//! Statements, as they were written: definitions and their changes, `INSERT`, and the rest.

use super::{Expr, Hint, Ident, ObjectName, Query, TypeExpr};
use crate::dialect::lexer::Span;

/// A column of `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// What it holds.
    pub kind: ColumnKind,
    /// `COMMENT '...'`.
    pub comment: Option<String>,
    /// `PRIMARY KEY` behind the column.
    pub primary_key: Option<Enforcement>,
    /// `FIRST` or `AFTER x` (ALTER TABLE).
    pub position: Option<Position>,
}

/// Where a column is put.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Position {
    First,
    After(Ident),
}

/// Whether a key was declared `ENFORCED`, `NOT ENFORCED` or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Enforcement {
    Unsaid,
    Enforced,
    NotEnforced,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ColumnKind {
    Physical(TypeExpr),
    Computed(Expr),
    Metadata { data_type: TypeExpr, key: Option<String>, is_virtual: bool },
}

/// `WATERMARK FOR a.b AS expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct WatermarkDef {
    /// The column, with fields of rows behind it.
    pub column: Vec<Ident>,
    /// When event time has passed.
    pub expr: Expr,
}

/// `PRIMARY KEY (..) [NOT ENFORCED]` or `UNIQUE (..)`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDef {
    /// Its name.
    pub name: Option<Ident>,
    /// Its columns.
    pub columns: Vec<Ident>,
    /// How it is kept.
    pub enforcement: Enforcement,
    /// `UNIQUE`, which Flink refuses.
    pub unique: bool,
    /// Where it stands.
    pub span: Span,
}

/// `LIKE t (...)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LikeDef {
    /// The table that is copied.
    pub source: ObjectName,
    /// `INCLUDING|EXCLUDING|OVERWRITING feature`, in capitals.
    pub options: Vec<(String, String)>,
}

/// `'key' = 'value'` pairs, in order.
pub type Options = Vec<(String, String)>;

/// `CREATE TABLE ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// Columns.
    pub columns: Vec<ColumnDef>,
    /// Bare names before `AS` (CTAS reorders columns by them).
    pub bare_columns: Vec<Ident>,
    /// Watermarks.
    pub watermarks: Vec<WatermarkDef>,
    /// Keys.
    pub keys: Vec<KeyDef>,
    /// `COMMENT '...'`.
    pub comment: Option<String>,
    /// `PARTITIONED BY`.
    pub partitioned_by: Vec<Ident>,
    /// `WITH (...)`.
    pub options: Options,
    /// `LIKE`.
    pub like: Option<LikeDef>,
    /// `AS query`.
    pub query: Option<Query>,
}

/// One change of `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum AlterTable {
    Rename(ObjectName),
    RenameColumn { from: Ident, to: Ident },
    Set(Options),
    Reset(Vec<String>),
    Add { columns: Vec<ColumnDef>, watermarks: Vec<WatermarkDef>, keys: Vec<KeyDef> },
    Modify { columns: Vec<ColumnDef>, watermarks: Vec<WatermarkDef>, keys: Vec<KeyDef> },
    DropColumns(Vec<Ident>),
    DropPrimaryKey,
    DropWatermark,
}

/// What `SHOW` shows.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Show {
    Catalogs { like: Option<String>, negated: bool },
    CurrentCatalog,
    Databases { from: Option<Ident>, like: Option<String>, negated: bool },
    CurrentDatabase,
    Tables { from: Option<ObjectName>, like: Option<String>, negated: bool },
    Views { from: Option<ObjectName>, like: Option<String>, negated: bool },
    Columns { table: ObjectName, like: Option<String>, negated: bool },
    Functions { user_only: bool, from: Option<ObjectName>, like: Option<String>, negated: bool },
    CreateCatalog(Ident),
    CreateTable(ObjectName),
    CreateView(ObjectName),
    Jars,
    Modules { full: bool },
    Jobs,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Statement {
    Query(Query),
    Insert(Insert),
    /// `EXECUTE STATEMENT SET BEGIN ... END`.
    StatementSet(Vec<Insert>),
    CreateTable(Box<CreateTable>),
    CreateView {
        temporary: bool,
        if_not_exists: bool,
        or_replace: bool,
        name: ObjectName,
        columns: Vec<Ident>,
        comment: Option<String>,
        query: Query,
        /// The query's text.
        text: String,
    },
    CreateDatabase {
        name: ObjectName,
        if_not_exists: bool,
        comment: Option<String>,
        options: Options,
    },
    CreateCatalog {
        name: Ident,
        if_not_exists: bool,
        comment: Option<String>,
        options: Options,
    },
    /// `CREATE FUNCTION` and, when `alter`, `ALTER FUNCTION`.
    CreateFunction {
        name: ObjectName,
        temporary: bool,
        system: bool,
        /// `IF NOT EXISTS`; of ALTER `IF EXISTS`.
        quiet: bool,
        alter: bool,
        class: String,
        language: Option<String>,
    },
    DropTable {
        name: ObjectName,
        if_exists: bool,
        temporary: bool,
    },
    DropView {
        name: ObjectName,
        if_exists: bool,
        temporary: bool,
    },
    DropDatabase {
        name: ObjectName,
        if_exists: bool,
        cascade: bool,
    },
    DropCatalog {
        name: Ident,
        if_exists: bool,
    },
    DropFunction {
        name: ObjectName,
        if_exists: bool,
        temporary: bool,
        system: bool,
    },
    AlterTable {
        name: ObjectName,
        if_exists: bool,
        change: AlterTable,
    },
    AlterViewRename {
        name: ObjectName,
        to: ObjectName,
    },
    AlterViewAs {
        name: ObjectName,
        query: Query,
        text: String,
    },
    AlterDatabaseSet {
        name: ObjectName,
        options: Options,
    },
    AlterCatalog {
        name: Ident,
        change: AlterCatalog,
    },
    UseCatalog(Ident),
    UseDatabase(ObjectName),
    Show(Show),
    Describe(ObjectName),
    DescribeFunction {
        name: ObjectName,
        extended: bool,
    },
    DescribeCatalog {
        name: Ident,
        extended: bool,
    },
    DescribeDatabase {
        name: ObjectName,
        extended: bool,
    },
    Explain {
        details: Vec<String>,
        statement: Box<Statement>,
    },
    Set(Option<(String, String)>),
    Reset(Option<String>),
    /// `BEGIN STATEMENT SET`.
    BeginStatementSet,
    /// `END`.
    EndStatementSet,
    Help,
    Clear,
    Quit,
}

/// A change of `ALTER CATALOG`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum AlterCatalog {
    Set(Options),
    Reset(Vec<String>),
    Comment(String),
}

/// `INSERT INTO ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// The sink.
    pub table: ObjectName,
    /// Hints behind the name.
    pub hints: Vec<Hint>,
    /// `PARTITION (a = 'x', b)`.
    pub partition: Vec<(Ident, Option<Expr>)>,
    /// Columns that are written.
    pub columns: Vec<Ident>,
    /// What is written.
    pub query: Query,
    /// `OVERWRITE` in place of `INTO`.
    pub overwrite: bool,
    /// Where it stands.
    pub span: Span,
}
