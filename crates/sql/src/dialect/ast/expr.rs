//! Expressions, calls, windows of `OVER`, and types, as they were written.

use super::{Ident, ObjectName, Query};
use crate::dialect::lexer::Span;

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl Expr {
    /// The unit of time, when this is the symbol of one.
    pub fn unit(&self) -> Option<TimeUnit> {
        match &self.kind {
            ExprKind::Symbol(word) => TimeUnit::of(word),
            _ => None,
        }
    }
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `NOT`
    Not,
}

/// Operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Divide,
    /// `%`
    Mod,
    /// `||`
    Concat,
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `OVERLAPS`
    Overlaps,
}

impl BinaryOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Plus => "+",
            BinaryOp::Minus => "-",
            BinaryOp::Times => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Concat => "||",
            BinaryOp::Eq => "=",
            BinaryOp::NotEq => "<>",
            BinaryOp::Lt => "<",
            BinaryOp::LtEq => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::GtEq => ">=",
            BinaryOp::Overlaps => "OVERLAPS",
        }
    }
}

/// What `IS [NOT] ...` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// `IS NULL`
    Null,
    /// `IS TRUE`
    True,
    /// `IS FALSE`
    False,
    /// `IS UNKNOWN`
    Unknown,
    /// `IS JSON [VALUE]`
    JsonValue,
    /// `IS JSON OBJECT`
    JsonObject,
    /// `IS JSON ARRAY`
    JsonArray,
    /// `IS JSON SCALAR`
    JsonScalar,
}

/// A unit of an interval or of a part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TimeUnit {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
    Doy,
    Dow,
    IsoDow,
    IsoYear,
}

impl TimeUnit {
    /// The unit that `word` names, also in the plural and as `SQL_TSI_...`.
    pub fn of(word: &str) -> Option<TimeUnit> {
        let upper = word.to_ascii_uppercase();
        let name = upper.strip_prefix("SQL_TSI_").unwrap_or(&upper);
        let singular = match name {
            "CENTURIES" => "CENTURY",
            "MILLENNIA" => "MILLENNIUM",
            other => other.strip_suffix('S').unwrap_or(other),
        };
        Some(match singular {
            "MILLENNIUM" => TimeUnit::Millennium,
            "CENTURY" => TimeUnit::Century,
            "DECADE" => TimeUnit::Decade,
            "YEAR" => TimeUnit::Year,
            "QUARTER" => TimeUnit::Quarter,
            "MONTH" => TimeUnit::Month,
            "WEEK" => TimeUnit::Week,
            "DAY" => TimeUnit::Day,
            "HOUR" => TimeUnit::Hour,
            "MINUTE" => TimeUnit::Minute,
            "SECOND" => TimeUnit::Second,
            "MILLISECOND" => TimeUnit::Millisecond,
            "MICROSECOND" => TimeUnit::Microsecond,
            "NANOSECOND" | "FRAC_SECOND" => TimeUnit::Nanosecond,
            "EPOCH" => TimeUnit::Epoch,
            "DOY" => TimeUnit::Doy,
            "DOW" => TimeUnit::Dow,
            "ISODOW" => TimeUnit::IsoDow,
            "ISOYEAR" => TimeUnit::IsoYear,
            _ => return None,
        })
    }

    /// Its name in capitals.
    pub fn name(self) -> &'static str {
        match self {
            TimeUnit::Millennium => "MILLENNIUM",
            TimeUnit::Century => "CENTURY",
            TimeUnit::Decade => "DECADE",
            TimeUnit::Year => "YEAR",
            TimeUnit::Quarter => "QUARTER",
            TimeUnit::Month => "MONTH",
            TimeUnit::Week => "WEEK",
            TimeUnit::Day => "DAY",
            TimeUnit::Hour => "HOUR",
            TimeUnit::Minute => "MINUTE",
            TimeUnit::Second => "SECOND",
            TimeUnit::Millisecond => "MILLISECOND",
            TimeUnit::Microsecond => "MICROSECOND",
            TimeUnit::Nanosecond => "NANOSECOND",
            TimeUnit::Epoch => "EPOCH",
            TimeUnit::Doy => "DOY",
            TimeUnit::Dow => "DOW",
            TimeUnit::IsoDow => "ISODOW",
            TimeUnit::IsoYear => "ISOYEAR",
        }
    }
}

/// Units of an interval, with the precisions that were written.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalUnit {
    /// The first (or only) unit.
    pub from: TimeUnit,
    /// Digits that the first unit may have.
    pub precision: Option<u32>,
    /// The last unit, after `TO`.
    pub to: Option<TimeUnit>,
    /// Digits of the fraction of a second.
    pub fraction: Option<u32>,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the fields say what they are
pub enum ExprKind {
    /// `a`, `t.a`, `t.a.b`: a column, perhaps with its table before and fields behind.
    Name(Vec<Ident>),
    /// `*` or `t.*`, where a list takes them.
    Star(Vec<Ident>),
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Binary(String),
    Date(String),
    Time(String),
    Timestamp(String),
    /// `TIMESTAMP WITH LOCAL TIME ZONE '...'`.
    TimestampLtz(String),
    Interval {
        negative: bool,
        text: String,
        unit: IntervalUnit,
    },
    Unary(UnaryOp, Box<Expr>),
    BinaryOp(Box<Expr>, BinaryOp, Box<Expr>),
    /// Two or more operands, flat, so that a long condition is no deep tree.
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Is {
        expr: Box<Expr>,
        test: Test,
        negated: bool,
    },
    DistinctFrom {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `op ANY (query)` or `op ALL (query)`.
    Quantified {
        expr: Box<Expr>,
        op: BinaryOp,
        all: bool,
        query: Box<Query>,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        similar: bool,
        negated: bool,
    },
    Exists(Box<Query>),
    Scalar(Box<Query>),
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        expr: Box<Expr>,
        to: TypeExpr,
        lenient: bool,
    },
    Call(Box<Call>),
    /// `ROW(a, b)` or `(a, b)`.
    Row(Vec<Expr>),
    Array(Vec<Expr>),
    /// Keys and values in turn.
    Map(Vec<Expr>),
    /// `ARRAY(query)`.
    ArrayQuery(Box<Query>),
    Index(Box<Expr>, Box<Expr>),
    Field(Box<Expr>, Ident),
    /// A word with a meaning of its own as an argument: a unit, `LEADING`, `NULL ON NULL`.
    Symbol(String),
    /// `name => value`.
    Named(Ident, Box<Expr>),
    /// `TABLE t [PARTITION BY ..] [ORDER BY ..]` as the argument of a table function.
    TableArg {
        name: ObjectName,
        query: Option<Box<Query>>,
        partition_by: Vec<Expr>,
        order_by: Vec<OrderItem>,
    },
    /// `DESCRIPTOR(a, b)`.
    Descriptor(Vec<Ident>),
}

/// A call of a function, an aggregate or a window function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Name, in the parts it was written in.
    pub name: ObjectName,
    /// Arguments; clauses such as `RETURNING INT` come in [`Call::clauses`].
    pub args: Vec<Expr>,
    /// `DISTINCT` before the arguments.
    pub distinct: bool,
    /// `ORDER BY` within the parentheses or after `WITHIN GROUP`.
    pub order_by: Vec<OrderItem>,
    /// `FILTER (WHERE ...)`.
    pub filter: Option<Expr>,
    /// `OVER ...`.
    pub over: Option<WindowRef>,
    /// `IGNORE NULLS` (true) or `RESPECT NULLS` (false).
    pub ignore_nulls: Option<bool>,
    /// Clauses of the JSON functions.
    pub clauses: Vec<CallClause>,
    /// Whether parentheses were written (`CURRENT_DATE` has none).
    pub parentheses: bool,
}

/// Clauses that only the JSON functions have.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum CallClause {
    Returning(TypeExpr),
    /// `NULL`, `ERROR`, `DEFAULT x`, `EMPTY ARRAY`, `EMPTY OBJECT`, `TRUE`, `FALSE`, `UNKNOWN`.
    OnEmpty(Behaviour),
    OnError(Behaviour),
    NullOnNull,
    AbsentOnNull,
    WithoutWrapper,
    WithConditionalWrapper,
    WithUnconditionalWrapper,
}

/// What a JSON function does when it finds nothing or fails.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Behaviour {
    Null,
    Error,
    Default(Expr),
    EmptyArray,
    EmptyObject,
    True,
    False,
    Unknown,
}

/// The window of an `OVER`.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowRef {
    /// `OVER w`.
    Named(Ident),
    /// `OVER (...)`.
    Spec(WindowSpec),
}

/// `PARTITION BY .. ORDER BY .. ROWS|RANGE ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSpec {
    /// A window that this one goes on from.
    pub base: Option<Ident>,
    /// Keys.
    pub partition_by: Vec<Expr>,
    /// Order.
    pub order_by: Vec<OrderItem>,
    /// Frame, when one was written.
    pub frame: Option<Frame>,
    /// Where it stands.
    pub span: Span,
}

/// The rows of a window that a function sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// `ROWS` (true) or `RANGE`.
    pub rows: bool,
    /// First row.
    pub start: Bound,
    /// Last row.
    pub end: Bound,
}

/// One end of a frame.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Bound {
    UnboundedPreceding,
    Preceding(Box<Expr>),
    CurrentRow,
    Following(Box<Expr>),
    UnboundedFollowing,
}

/// An element of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    /// What is ordered by.
    pub expr: Expr,
    /// `ASC` or nothing.
    pub ascending: bool,
    /// `NULLS FIRST` (true) or `NULLS LAST`.
    pub nulls_first: Option<bool>,
}

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// Its name in capitals, words joined by one blank (`TIMESTAMP WITH LOCAL TIME ZONE`).
    pub name: String,
    /// Numbers in parentheses.
    pub params: Vec<u32>,
    /// Element types (`ARRAY<T>`, `MAP<K, V>`, `MULTISET<T>`).
    pub children: Vec<TypeExpr>,
    /// Fields of a `ROW`, each with its comment.
    pub fields: Vec<(Ident, TypeExpr, Option<String>)>,
    /// Units of an `INTERVAL`.
    pub interval: Option<IntervalUnit>,
    /// False after `NOT NULL`.
    pub nullable: bool,
    /// Where it stands.
    pub span: Span,
}
