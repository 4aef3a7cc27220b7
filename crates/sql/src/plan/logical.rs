//! The logical plan: what a query means, with names resolved and types known.
//!
//! Between the binder and the streaming plan. Columns are indices into the schema of the
//! input; of two inputs, the right one's columns follow the left one's.
//!
//! Invariant: the schema of a node is a function of the node and its inputs; expressions
//! have the types that their columns have.

use crate::catalog::TableDef;
use crate::dialect::ast::SetOp;
use crate::expr::Expr;
use crate::types::{SqlType, TimeAttribute};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
}

/// Columns of a result.
pub type Schema = Vec<Field>;

/// A window of a table function or of a grouping.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// `TUMBLE`: milliseconds.
    Tumble {
        /// Length.
        size_ms: i64,
        /// Shift of all windows.
        offset_ms: i64,
    },
    /// `HOP`.
    Hop {
        /// From one window to the next.
        slide_ms: i64,
        /// Length.
        size_ms: i64,
        /// Shift of all windows.
        offset_ms: i64,
    },
    /// `CUMULATE`.
    Cumulate {
        /// Growth of the window.
        step_ms: i64,
        /// Greatest length.
        max_ms: i64,
        /// Shift of all windows.
        offset_ms: i64,
    },
    /// `SESSION`.
    Session {
        /// Silence that ends a window.
        gap_ms: i64,
    },
}

impl WindowKind {
    /// As plans show it.
    pub fn text(&self) -> String {
        match self {
            WindowKind::Tumble { size_ms, .. } => format!("TUMBLE(size=[{size_ms} ms])"),
            WindowKind::Hop { slide_ms, size_ms, .. } => {
                format!("HOP(size=[{size_ms} ms], slide=[{slide_ms} ms])")
            }
            WindowKind::Cumulate { step_ms, max_ms, .. } => {
                format!("CUMULATE(max_size=[{max_ms} ms], step=[{step_ms} ms])")
            }
            WindowKind::Session { gap_ms } => format!("SESSION(gap=[{gap_ms} ms])"),
        }
    }
}

/// A window over a time column.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Which.
    pub kind: WindowKind,
    /// Column of the input that has the time.
    pub time_column: usize,
    /// Keys of a session.
    pub partition_by: Vec<usize>,
}

/// Columns that hold parts of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowPart {
    /// `window_start`.
    Start,
    /// `window_end`.
    End,
    /// `window_time` as event time.
    Time,
}

/// Stands before the key of an aggregate function of the user's own.
pub const USER: &str = "user:";

/// A call of an aggregate function.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Its name in capitals; of one of the user's own, [`USER`] and its key.
    pub function: String,
    /// Columns of the input.
    pub args: Vec<usize>,
    /// `DISTINCT`.
    pub distinct: bool,
    /// A boolean column of the input: rows that count.
    pub filter: Option<usize>,
    /// Constant arguments and options: the separator of LISTAGG, NULL handling of JSON.
    pub options: Vec<String>,
    /// Type of the result.
    pub ty: SqlType,
}

/// A column to order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// Column of the input.
    pub column: usize,
    /// Direction.
    pub ascending: bool,
    /// Whether NULL comes before everything else.
    pub nulls_first: bool,
}

/// One end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameBound {
    /// All rows before.
    UnboundedPreceding,
    /// Rows, or milliseconds of a range, before.
    Preceding(i64),
    /// This row (and, of a range, those of the same time).
    CurrentRow,
}

/// A function of an `OVER` window.
#[derive(Clone, Debug, PartialEq)]
pub enum OverFunction {
    /// `ROW_NUMBER()`.
    RowNumber,
    /// `RANK()`.
    Rank,
    /// `DENSE_RANK()`.
    DenseRank,
    /// An aggregate over the frame; LAG and LEAD too, with the offset and default as columns.
    Aggregate(AggregateCall),
}

/// Functions over one window.
#[derive(Clone, Debug, PartialEq)]
pub struct OverGroup {
    /// Keys.
    pub partition_by: Vec<usize>,
    /// Order.
    pub order_by: Vec<SortKey>,
    /// `ROWS` (true) or `RANGE`.
    pub rows: bool,
    /// First row of the frame; the last is the current row.
    pub start: FrameBound,
    /// Each gives one column, with its type.
    pub calls: Vec<(OverFunction, SqlType)>,
}

/// Kinds of join, as operators know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Matching pairs.
    Inner,
    /// And left rows without a partner.
    Left,
    /// And right rows without a partner.
    Right,
    /// And both.
    Full,
    /// Left rows with a partner.
    Semi,
    /// Left rows without a partner.
    Anti,
}

impl JoinKind {
    /// As plans show it.
    pub fn text(self) -> &'static str {
        match self {
            JoinKind::Inner => "InnerJoin",
            JoinKind::Left => "LeftOuterJoin",
            JoinKind::Right => "RightOuterJoin",
            JoinKind::Full => "FullOuterJoin",
            JoinKind::Semi => "LeftSemiJoin",
            JoinKind::Anti => "LeftAntiJoin",
        }
    }
    /// Whether left columns may be padded with NULL.
    pub fn pads_left(self) -> bool {
        matches!(self, JoinKind::Right | JoinKind::Full)
    }
    /// Whether right columns may be padded with NULL.
    pub fn pads_right(self) -> bool {
        matches!(self, JoinKind::Left | JoinKind::Full)
    }
    /// Whether only left columns come out.
    pub fn left_only(self) -> bool {
        matches!(self, JoinKind::Semi | JoinKind::Anti)
    }
}

/// What a LOOKUP hint says of a lookup join; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupHint {
    /// Whether several requests may be on their way.
    pub asynchronous: Option<bool>,
    /// How many may wait for an answer.
    pub capacity: Option<usize>,
    /// How long an answer may take, retries included.
    pub timeout_ms: Option<i64>,
    /// Whether a key without rows is asked for again.
    pub retry: Option<LookupRetry>,
}

/// Keys without rows are asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupRetry {
    /// Time from an answer to the next request.
    pub delay_ms: i64,
    /// Requests after the first.
    pub max_attempts: usize,
}

/// A node of the logical plan.
#[derive(Clone, Debug)]
pub enum Rel {
    /// Rows of a connector: physical and metadata columns of the table, in its order.
    Scan {
        /// The table.
        table: Arc<TableDef>,
        /// Its options, with those of hints.
        options: BTreeMap<String, String>,
        /// Columns of the table that are read, by index.
        columns: Vec<usize>,
        /// What comes out.
        schema: Schema,
    },
    /// Constant rows.
    Values {
        /// Rows of constant expressions.
        rows: Vec<Vec<Expr>>,
        /// What comes out.
        schema: Schema,
    },
    /// Expressions over each row.
    Project {
        /// Input.
        input: Box<Rel>,
        /// One for each column.
        exprs: Vec<Expr>,
        /// What comes out.
        schema: Schema,
    },
    /// Rows for which a condition holds.
    Filter {
        /// Input.
        input: Box<Rel>,
        /// BOOLEAN.
        condition: Expr,
    },
    /// Makes a column a rowtime attribute.
    Watermark {
        /// Input.
        input: Box<Rel>,
        /// The column.
        column: usize,
        /// The watermark that each row stands for.
        expr: Expr,
        /// What comes out.
        schema: Schema,
    },
    /// `GROUP BY`.
    Aggregate {
        /// Input.
        input: Box<Rel>,
        /// Keys, as columns of the input.
        keys: Vec<usize>,
        /// Aggregates.
        calls: Vec<AggregateCall>,
        /// Of a grouping by `TUMBLE(ts, ..)` and the like: the window, and the parts of it
        /// that follow the aggregates.
        window: Option<(Window, Vec<WindowPart>)>,
        /// What comes out: keys, aggregates, window parts.
        schema: Schema,
    },
    /// Each row once for each list of expressions (grouping sets).
    Expand {
        /// Input.
        input: Box<Rel>,
        /// Rows that come from one.
        projections: Vec<Vec<Expr>>,
        /// What comes out.
        schema: Schema,
    },
    /// A window table function: the input's columns, then start, end and time.
    WindowTable {
        /// Input.
        input: Box<Rel>,
        /// The window.
        window: Window,
        /// What comes out.
        schema: Schema,
    },
    /// `OVER`: the input's columns, then one for each call.
    Over {
        /// Input.
        input: Box<Rel>,
        /// Windows with their functions.
        groups: Vec<OverGroup>,
        /// What comes out.
        schema: Schema,
    },
    /// A join.
    Join {
        /// Left input.
        left: Box<Rel>,
        /// Right input.
        right: Box<Rel>,
        /// Kind.
        kind: JoinKind,
        /// Over the columns of both.
        condition: Expr,
        /// What comes out.
        schema: Schema,
    },
    /// `FOR SYSTEM_TIME AS OF`.
    TemporalJoin {
        /// Left input.
        left: Box<Rel>,
        /// The versioned table.
        right: Box<Rel>,
        /// Only `Inner` and `Left`.
        kind: JoinKind,
        /// The time at which the version is looked up, as a column of the left input.
        time_column: usize,
        /// Over the columns of both.
        condition: Expr,
        /// What comes out.
        schema: Schema,
    },
    /// `FOR SYSTEM_TIME AS OF` processing time: rows of a table outside with the same key.
    LookupJoin {
        /// Left input.
        left: Box<Rel>,
        /// A scan of the table, with projections and filters over it.
        right: Box<Rel>,
        /// Only `Inner` and `Left`.
        kind: JoinKind,
        /// Over the columns of both.
        condition: Expr,
        /// How it is asked.
        lookup: LookupHint,
        /// What comes out.
        schema: Schema,
    },
    /// The same rows; the operator above keeps what it keeps of them for this long (hint
    /// STATE_TTL).
    StateTtl {
        /// Input.
        input: Box<Rel>,
        /// 0: for ever.
        ttl_ms: i64,
    },
    /// `UNNEST`: the input's columns, then those of the element (and its number).
    Unnest {
        /// Input.
        input: Box<Rel>,
        /// The collection, over the input.
        expr: Expr,
        /// Whether the number of the element follows.
        ordinality: bool,
        /// Whether rows without elements stay.
        outer: bool,
        /// With `outer`: which elements count, over what comes out.
        on: Vec<Expr>,
        /// What comes out.
        schema: Schema,
    },
    /// `LATERAL TABLE(f(...))`: the input's columns, then those of the function.
    TableFunction {
        /// Input.
        input: Box<Rel>,
        /// The key of a function of the user's own.
        function: String,
        /// Over the input.
        args: Vec<Expr>,
        /// Whether rows without results stay.
        outer: bool,
        /// What comes out.
        schema: Schema,
    },
    /// `UNION`, `INTERSECT`, `EXCEPT`; inputs have the same types.
    SetOp {
        /// Which.
        op: SetOp,
        /// Keeps duplicates.
        all: bool,
        /// Inputs.
        inputs: Vec<Rel>,
        /// What comes out.
        schema: Schema,
    },
    /// `ORDER BY`, `OFFSET` and `LIMIT`.
    Sort {
        /// Input.
        input: Box<Rel>,
        /// Order; may be empty.
        keys: Vec<SortKey>,
        /// Rows left out.
        offset: u64,
        /// Rows given at most.
        limit: Option<u64>,
    },
}

impl Rel {
    /// Columns of the result.
    pub fn schema(&self) -> &Schema {
        match self {
            Rel::Scan { schema, .. }
            | Rel::Values { schema, .. }
            | Rel::Project { schema, .. }
            | Rel::Watermark { schema, .. }
            | Rel::Aggregate { schema, .. }
            | Rel::Expand { schema, .. }
            | Rel::WindowTable { schema, .. }
            | Rel::Over { schema, .. }
            | Rel::Join { schema, .. }
            | Rel::TemporalJoin { schema, .. }
            | Rel::LookupJoin { schema, .. }
            | Rel::Unnest { schema, .. }
            | Rel::TableFunction { schema, .. }
            | Rel::SetOp { schema, .. } => schema,
            Rel::Filter { input, .. } | Rel::Sort { input, .. } | Rel::StateTtl { input, .. } => {
                input.schema()
            }
        }
    }

    /// Direct inputs.
    pub fn inputs(&self) -> Vec<&Rel> {
        match self {
            Rel::Scan { .. } | Rel::Values { .. } => vec![],
            Rel::Project { input, .. }
            | Rel::Filter { input, .. }
            | Rel::Watermark { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Expand { input, .. }
            | Rel::WindowTable { input, .. }
            | Rel::Over { input, .. }
            | Rel::Unnest { input, .. }
            | Rel::TableFunction { input, .. }
            | Rel::StateTtl { input, .. }
            | Rel::Sort { input, .. } => vec![input],
            Rel::Join { left, right, .. }
            | Rel::TemporalJoin { left, right, .. }
            | Rel::LookupJoin { left, right, .. } => vec![left, right],
            Rel::SetOp { inputs, .. } => inputs.iter().collect(),
        }
    }

    /// Direct inputs, to be changed in place.
    pub fn inputs_mut(&mut self) -> Vec<&mut Rel> {
        match self {
            Rel::Scan { .. } | Rel::Values { .. } => vec![],
            Rel::Project { input, .. }
            | Rel::Filter { input, .. }
            | Rel::Watermark { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Expand { input, .. }
            | Rel::WindowTable { input, .. }
            | Rel::Over { input, .. }
            | Rel::Unnest { input, .. }
            | Rel::TableFunction { input, .. }
            | Rel::StateTtl { input, .. }
            | Rel::Sort { input, .. } => vec![input],
            Rel::Join { left, right, .. }
            | Rel::TemporalJoin { left, right, .. }
            | Rel::LookupJoin { left, right, .. } => vec![left, right],
            Rel::SetOp { inputs, .. } => inputs.iter_mut().collect(),
        }
    }

    /// A projection of `input`; with names for the columns.
    pub fn project(input: Rel, exprs: Vec<Expr>, names: Vec<String>) -> Rel {
        let schema = names
            .into_iter()
            .zip(&exprs)
            .map(|(name, e)| Field { name, ty: e.ty.clone() })
            .collect();
        Rel::Project { input: Box::new(input), exprs, schema }
    }

    /// The input's columns as expressions.
    pub fn columns(&self) -> Vec<Expr> {
        self.schema().iter().enumerate().map(|(i, f)| Expr::column(i, f.ty.clone())).collect()
    }

    /// The same rows of a table, with a column that is event time: its watermarks come with
    /// the rows.
    pub fn with_rowtime(mut self, column: usize) -> Rel {
        let set = |ty: &mut SqlType| ty.attribute = TimeAttribute::Rowtime;
        if let Rel::Project { exprs, .. } = &mut self {
            exprs.iter_mut().skip(column).take(1).for_each(|e| set(&mut e.ty));
        }
        if let Rel::Project { schema, .. } | Rel::Scan { schema, .. } = &mut self {
            schema.iter_mut().skip(column).take(1).for_each(|f| set(&mut f.ty));
        }
        self
    }

    /// The same with other column names.
    pub fn renamed(self, names: &[String]) -> Rel {
        if self.schema().iter().map(|f| &f.name).eq(names) {
            return self;
        }
        let exprs = self.columns();
        Rel::project(self, exprs, names.to_vec())
    }

    /// What a STATE_TTL hint says of the rows that an operator above takes, in milliseconds.
    pub fn hinted_ttl_ms(&self) -> Option<i64> {
        match self {
            Rel::StateTtl { ttl_ms, .. } => Some(*ttl_ms),
            Rel::Project { input, .. }
            | Rel::Filter { input, .. }
            | Rel::Expand { input, .. }
            | Rel::Watermark { input, .. } => input.hinted_ttl_ms(),
            _ => None,
        }
    }

    /// Rows of `input` for which all of `conditions` hold.
    pub fn filtered(self, conditions: Vec<Expr>) -> Rel {
        if conditions.is_empty() {
            return self;
        }
        Rel::Filter { input: Box::new(self), condition: Expr::and(conditions) }
    }

    /// The operator's name and arguments on one line.
    pub fn line(&self) -> String {
        let names: Vec<&str> = match self.inputs().as_slice() {
            [left, right] => {
                left.schema().iter().chain(right.schema()).map(|f| f.name.as_str()).collect()
            }
            [one] => one.schema().iter().map(|f| f.name.as_str()).collect(),
            _ => vec![],
        };
        let name = |i: &usize| names.get(*i).copied().unwrap_or("?").to_owned();
        let list = |l: &[usize]| l.iter().map(name).collect::<Vec<_>>().join(", ");
        let calls = |l: &[AggregateCall]| {
            l.iter()
                .map(|c| {
                    let distinct = if c.distinct { "DISTINCT " } else { "" };
                    format!("{}({distinct}{})", c.function, list(&c.args))
                })
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            Rel::Scan { table, .. } => format!("LogicalTableScan(table=[[{}]])", table.path),
            Rel::Values { rows, .. } => format!("LogicalValues(rows=[{}])", rows.len()),
            Rel::Project { exprs, schema, .. } => {
                let all: Vec<String> = exprs
                    .iter()
                    .zip(schema)
                    .map(|(e, f)| format!("{}=[{}]", f.name, e.display(&names)))
                    .collect();
                format!("LogicalProject({})", all.join(", "))
            }
            Rel::Filter { condition, .. } => {
                format!("LogicalFilter(condition=[{}])", condition.display(&names))
            }
            Rel::Watermark { column, expr, .. } => format!(
                "LogicalWatermarkAssigner(rowtime=[{}], watermark=[{}])",
                name(column),
                expr.display(&names)
            ),
            Rel::Aggregate { keys, calls: c, .. } => {
                format!("LogicalAggregate(group=[{}], calls=[{}])", list(keys), calls(c))
            }
            Rel::Expand { projections, .. } => {
                format!("LogicalExpand(sets=[{}])", projections.len())
            }
            Rel::WindowTable { window, .. } => {
                format!(
                    "LogicalTableFunctionScan({}, time_col=[{}])",
                    window.kind.text(),
                    name(&window.time_column)
                )
            }
            Rel::Over { groups, .. } => format!("LogicalOver(windows=[{}])", groups.len()),
            Rel::Join { kind, condition, .. } => format!(
                "LogicalJoin(joinType=[{}], condition=[{}])",
                kind.text(),
                condition.display(&names)
            ),
            Rel::TemporalJoin { kind, condition, time_column, .. } => format!(
                "LogicalTemporalJoin(joinType=[{}], time=[{}], condition=[{}])",
                kind.text(),
                name(time_column),
                condition.display(&names)
            ),
            Rel::LookupJoin { kind, condition, .. } => format!(
                "LogicalLookupJoin(joinType=[{}], condition=[{}])",
                kind.text(),
                condition.display(&names)
            ),
            Rel::StateTtl { ttl_ms, .. } => format!("LogicalHint(STATE_TTL=[{ttl_ms} ms])"),
            Rel::Unnest { expr, outer, on, schema, .. } => {
                let kind = if *outer { "LEFT" } else { "INNER" };
                let all: Vec<&str> = schema.iter().map(|f| f.name.as_str()).collect();
                let on: String =
                    on.iter().map(|c| format!(", condition=[{}]", c.display(&all))).collect();
                let unnest = expr.display(&names);
                format!("LogicalCorrelate(joinType=[{kind}], unnest=[{unnest}]{on})")
            }
            Rel::TableFunction { function, args, outer, .. } => {
                let kind = if *outer { "LEFT" } else { "INNER" };
                let args: Vec<String> =
                    args.iter().map(|a| a.display(&names).to_string()).collect();
                let call = format!("{function}({})", args.join(", "));
                format!("LogicalCorrelate(joinType=[{kind}], function=[{call}])")
            }
            Rel::SetOp { op, all, .. } => format!("Logical{}(all=[{all}])", op.text()),
            Rel::Sort { keys, offset, limit, .. } => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|k| {
                        format!("{} {}", name(&k.column), if k.ascending { "ASC" } else { "DESC" })
                    })
                    .collect();
                let limit = limit.map_or_else(String::new, |l| format!(", fetch=[{l}]"));
                let offset =
                    if *offset > 0 { format!(", offset=[{offset}]") } else { String::new() };
                format!("LogicalSort(sort=[{}]{offset}{limit})", keys.join(", "))
            }
        }
    }

    /// The tree, one line a node, inputs indented under it.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let mut todo = vec![(self, 0usize)];
        while let Some((rel, depth)) = todo.pop() {
            text += &format!("{}{}\n", "  ".repeat(depth), rel.line());
            todo.extend(rel.inputs().into_iter().rev().map(|i| (i, depth + 1)));
        }
        text
    }
}
