//! Queries, as they were written: `WITH`, `SELECT`, `FROM`, set operations.

use super::{Expr, Ident, ObjectName, OrderItem, WindowSpec};
use crate::dialect::lexer::Span;

/// A query with its `WITH`, order and limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Common table expressions, in order.
    pub with: Vec<Cte>,
    /// What it gives.
    pub body: SetExpr,
    /// Order of the result.
    pub order_by: Vec<OrderItem>,
    /// Rows to leave out.
    pub offset: Option<Expr>,
    /// Rows to give at most.
    pub limit: Option<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// `name [(columns)] AS (query)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// New names of the columns.
    pub columns: Vec<Ident>,
    /// What it stands for.
    pub query: Query,
}

/// Set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

impl SetOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            SetOp::Union => "UNION",
            SetOp::Intersect => "INTERSECT",
            SetOp::Except => "EXCEPT",
        }
    }
}

/// The body of a query.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum SetExpr {
    Select(Box<Select>),
    SetOp {
        op: SetOp,
        all: bool,
        left: Box<SetExpr>,
        right: Box<SetExpr>,
        span: Span,
    },
    Values {
        rows: Vec<Vec<Expr>>,
        span: Span,
    },
    Query(Box<Query>),
    /// `TABLE t`.
    Table(ObjectName),
}

/// `SELECT ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Hints behind `SELECT`.
    pub hints: Vec<Hint>,
    /// `DISTINCT`.
    pub distinct: bool,
    /// What is given.
    pub items: Vec<SelectItem>,
    /// Where rows come from.
    pub from: Option<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`, when there is one.
    pub group_by: Option<Vec<GroupItem>>,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `QUALIFY`.
    pub qualify: Option<Expr>,
    /// `WINDOW w AS (...)`.
    pub windows: Vec<(Ident, WindowSpec)>,
    /// Where it stands.
    pub span: Span,
}

/// An element of the `SELECT` list.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectItem {
    /// What is given; may be a star.
    pub expr: Expr,
    /// Its name.
    pub alias: Option<Ident>,
}

/// An element of `GROUP BY`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum GroupItem {
    Expr(Expr),
    Sets(Vec<GroupItem>),
    Rollup(Vec<Expr>),
    Cube(Vec<Expr>),
    /// `(a, b)` within a grouping set; `()` is the empty one.
    Group(Vec<Expr>),
}

/// `/*+ NAME(args) */`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// Its name in capitals.
    pub name: String,
    /// `'key' = 'value'`, or plain words and texts with an empty value.
    pub args: Vec<(String, Option<String>)>,
    /// Where it stands.
    pub span: Span,
}

/// `[AS] name [(columns)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// The name.
    pub name: Ident,
    /// New names of the columns.
    pub columns: Vec<Ident>,
}

/// Kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
    Semi,
    Anti,
}

/// What a join holds rows together by.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum JoinCondition {
    None,
    On(Expr),
    Using(Vec<Ident>),
    Natural,
}

/// Something in `FROM`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum TableRef {
    Table {
        name: ObjectName,
        hints: Vec<Hint>,
        /// `FOR SYSTEM_TIME AS OF ...`.
        as_of: Option<Expr>,
        alias: Option<Alias>,
    },
    Query {
        query: Box<Query>,
        lateral: bool,
        alias: Option<Alias>,
    },
    /// `TABLE(f(...))`, with or without `LATERAL`.
    Function {
        call: Expr,
        alias: Option<Alias>,
    },
    Unnest {
        expr: Expr,
        ordinality: bool,
        alias: Option<Alias>,
    },
    Join {
        left: Box<TableRef>,
        right: Box<TableRef>,
        kind: JoinKind,
        condition: JoinCondition,
        span: Span,
    },
    MatchRecognize {
        input: Box<TableRef>,
        span: Span,
    },
}
