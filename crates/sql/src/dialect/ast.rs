//! Statements, queries and expressions as they were written.
//!
//! Between the parser and the binder. Names are not resolved and types not checked;
//! every node that an error may be about has its place in the text.

use super::lexer::Span;

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    /// The name, without backticks.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}

/// A name of one to three parts: `[[catalog.]database.]object`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectName(pub Vec<Ident>);

impl ObjectName {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match (self.0.first(), self.0.last()) {
            (Some(a), Some(b)) => a.span.to(b.span),
            _ => Span::default(),
        }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<&str> = self.0.iter().map(|i| i.value.as_str()).collect();
        f.write_str(&parts.join("."))
    }
}

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
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
