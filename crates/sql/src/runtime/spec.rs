//! What the planner says to the operators: plain structs, one for each operator.
//!
//! Columns are named by their index in the operator's input; every expression (keys,
//! arguments, filters) has been computed as a column by a projection in front. `output` is
//! the Arrow schema of what the operator emits. Times are milliseconds.
//!
//! Invariant: a spec holds no state and is cheap to clone; each subtask builds its own
//! operator from it.

use std::fmt;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use millstream_core::Result;

use crate::types::SqlType;

/// A condition over rows that an operator puts together itself, such as the non-equi part
/// of a join. It sees the columns of both sides, left then right, and answers TRUE, FALSE or
/// NULL for each row; NULL does not match.
#[derive(Clone)]
pub struct Predicate {
    matches: Arc<Condition>,
    /// What it computes, in words.
    text: Arc<str>,
    /// Columns that are looked at; `None`: any may be.
    columns: Option<Arc<[usize]>>,
}

type Condition = dyn Fn(&RecordBatch) -> Result<BooleanArray> + Send + Sync;

impl Predicate {
    /// A condition computed by `matches`.
    pub fn new(
        matches: impl Fn(&RecordBatch) -> Result<BooleanArray> + Send + Sync + 'static,
    ) -> Self {
        Predicate { matches: Arc::new(matches), text: "".into(), columns: None }
    }
    /// The same with a text, which says what it computes.
    pub fn described(self, text: &str) -> Self {
        Predicate { text: text.into(), ..self }
    }
    /// The same, which looks at these columns only: the others may be NULL.
    pub fn over(self, columns: Vec<usize>) -> Self {
        Predicate { columns: Some(columns.into()), ..self }
    }
    /// Whether it looks at a column.
    pub fn reads(&self, column: usize) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.contains(&column))
    }
    /// One entry for each row.
    ///
    /// # Errors
    /// As the expression behind it.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<BooleanArray> {
        (self.matches)(rows)
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Predicate({})", self.text)
    }
}

/// One call of an aggregate function.
#[derive(Clone, Debug)]
pub struct AggCall {
    /// The function.
    pub function: AggFunction,
    /// Its arguments: columns of the input.
    pub args: Vec<usize>,
    /// Types of the arguments.
    pub arg_types: Vec<SqlType>,
    /// DISTINCT: each value of the arguments counts once.
    pub distinct: bool,
    /// FILTER (WHERE ..): a BOOLEAN column; rows where it is not TRUE do not count.
    pub filter: Option<usize>,
    /// Type of the result.
    pub result: SqlType,
}

/// An aggregate function, with those of its arguments that are constants.
#[derive(Clone, Debug, PartialEq)]
pub enum AggFunction {
    /// COUNT(*) without an argument, else the number of rows whose argument is not NULL.
    Count,
    /// SUM: NULL over no values; integers wrap in their own type.
    Sum,
    /// SUM that is 0 over no values.
    Sum0,
    /// AVG: integers are cut towards zero.
    Avg,
    /// MIN.
    Min,
    /// MAX.
    Max,
    /// STDDEV_POP.
    StddevPop,
    /// STDDEV_SAMP.
    StddevSamp,
    /// VAR_POP.
    VarPop,
    /// VAR_SAMP.
    VarSamp,
    /// FIRST_VALUE by arrival, NULLs skipped.
    FirstValue,
    /// LAST_VALUE by arrival, NULLs skipped.
    LastValue,
    /// LISTAGG with its separator.
    ListAgg {
        /// Between two values; `,` unless given.
        separator: String,
    },
    /// COLLECT: a MULTISET of the values that are not NULL.
    Collect,
    /// ARRAY_AGG: keeps NULLs unless IGNORE NULLS was written.
    ArrayAgg {
        /// IGNORE NULLS.
        ignore_nulls: bool,
    },
    /// JSON_OBJECTAGG of a key (text) and a value that is JSON text already.
    JsonObjectAgg {
        /// ABSENT ON NULL.
        absent_on_null: bool,
    },
    /// JSON_ARRAYAGG of a value that is JSON text already.
    JsonArrayAgg {
        /// ABSENT ON NULL.
        absent_on_null: bool,
    },
    /// APPROX_COUNT_DISTINCT.
    ApproxCountDistinct,
    /// PERCENTILE(value, fractions [, frequency]); the frequency is the second argument.
    Percentile {
        /// Each between 0 and 1.
        fractions: Vec<f64>,
        /// Whether the result is an array (the fractions were written as one).
        array: bool,
    },
    /// SINGLE_VALUE: fails on a second row (scalar subqueries).
    SingleValue,
    /// ROW_NUMBER without arguments, in OVER only.
    RowNumber,
    /// RANK of the sort columns as arguments, in OVER only.
    Rank,
    /// DENSE_RANK of the sort columns as arguments, in OVER only.
    DenseRank,
    /// LAG(value [, offset [, default]]), in OVER only. The default is the second argument.
    Lag {
        /// How many rows back, 0 or more.
        offset: usize,
    },
    /// A function of the user's own, by its registered name.
    User(String),
}

/// Group aggregate: GROUP BY over an endless input, also SELECT DISTINCT (no calls).
///
/// Output: key columns, then results.
#[derive(Clone, Debug)]
pub struct GroupAggregateSpec {
    /// Grouping columns; none: one group, on one subtask.
    pub keys: Vec<usize>,
    /// Calls.
    pub calls: Vec<AggCall>,
    /// Whether the input holds -U or -D.
    pub input_retracts: bool,
    /// Whether the consumer needs -U.
    pub update_before: bool,
    /// State TTL of a group since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Rows gathered in front of a group aggregate, so that it emits less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MiniBatchSpec {
    /// Rows after which they go on, 1 or more.
    pub size: usize,
    /// Time after which they go on.
    pub latency_ms: i64,
}

/// How rows are put into windows.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowAssigner {
    /// Windows side by side.
    Tumble {
        /// Length.
        size_ms: i64,
        /// Shift of the grid.
        offset_ms: i64,
    },
    /// Windows of `size_ms` that start every `slide_ms`.
    Hop {
        /// Distance of two starts.
        slide_ms: i64,
        /// Length.
        size_ms: i64,
        /// Shift of the grid.
        offset_ms: i64,
    },
    /// Windows that share their start and grow by `step_ms` up to `size_ms`.
    Cumulate {
        /// Growth.
        step_ms: i64,
        /// Largest length.
        size_ms: i64,
        /// Shift of the grid.
        offset_ms: i64,
    },
    /// Windows that end when no row came for `gap_ms`.
    Session {
        /// The gap; two rows exactly one gap apart share a session.
        gap_ms: i64,
    },
    /// A window function has already put window columns on the rows.
    Attached {
        /// Column window_start.
        start: usize,
        /// Column window_end.
        end: usize,
    },
}

/// Whose time an operator follows.
#[derive(Clone, Debug)]
pub enum TimeDomain {
    /// Event time, driven by watermarks.
    Event {
        /// The rowtime column. Not read with attached windows.
        rowtime: usize,
    },
    /// Processing time.
    Processing,
}

/// Moves instants of TIMESTAMP_LTZ to the local clock on which windows are aligned, and back.
pub trait LocalTime: Send + Sync + fmt::Debug {
    /// What a local clock shows at an instant, in milliseconds.
    fn to_local_ms(&self, instant_ms: i64) -> i64;
    /// The instant of a local time, in milliseconds.
    fn to_instant_ms(&self, local_ms: i64) -> i64;
}

/// A column that a window operator adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowColumn {
    /// window_start.
    Start,
    /// window_end.
    End,
    /// window_time: the last millisecond of the window, a time attribute.
    Time,
}

/// Window aggregate, over a window function or in the older GROUP BY TUMBLE(..) form.
///
/// Output: key columns, results, window columns.
#[derive(Clone, Debug)]
pub struct WindowAggregateSpec {
    /// Windows.
    pub window: WindowAssigner,
    /// Time.
    pub time: TimeDomain,
    /// For windows over TIMESTAMP_LTZ in a zone other than UTC.
    pub local_time: Option<Arc<dyn LocalTime>>,
    /// Grouping columns without the window columns.
    pub keys: Vec<usize>,
    /// Calls.
    pub calls: Vec<AggCall>,
    /// Whether the input holds -U or -D.
    pub input_retracts: bool,
    /// Window columns at the end of the output.
    pub window_columns: Vec<WindowColumn>,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// A window function on its own: adds window_start, window_end, window_time to each row,
/// and copies the row for each of its windows.
#[derive(Clone, Debug)]
pub struct WindowTableSpec {
    /// Windows (not [`WindowAssigner::Attached`]).
    pub window: WindowAssigner,
    /// Time.
    pub time: TimeDomain,
    /// For windows over TIMESTAMP_LTZ in a zone other than UTC.
    pub local_time: Option<Arc<dyn LocalTime>>,
    /// PARTITION BY of SESSION.
    pub partition: Vec<usize>,
    /// Schema of the output: input columns, window_start, window_end, window_time.
    pub output: SchemaRef,
}

/// How two inputs are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without a partner.
    Left,
    /// Pairs, and right rows without a partner.
    Right,
    /// Pairs, and rows of both sides without a partner.
    Full,
    /// Left rows with a partner.
    Semi,
    /// Left rows without a partner.
    Anti,
}

impl JoinKind {
    /// Whether left rows without a partner come out, padded with NULL.
    pub fn keeps_left(self) -> bool {
        matches!(self, JoinKind::Left | JoinKind::Full)
    }
    /// Whether right rows without a partner come out, padded with NULL.
    pub fn keeps_right(self) -> bool {
        matches!(self, JoinKind::Right | JoinKind::Full)
    }
    /// Whether only left columns come out.
    pub fn is_left_only(self) -> bool {
        matches!(self, JoinKind::Semi | JoinKind::Anti)
    }
}

/// The equality part of a join: column pairs.
#[derive(Clone, Debug, Default)]
pub struct JoinKeys {
    /// Left columns.
    pub left: Vec<usize>,
    /// Right columns, as many and of the same types.
    pub right: Vec<usize>,
    /// For each pair whether NULL does not match NULL (`=`; FALSE for IS NOT DISTINCT FROM).
    pub filter_nulls: Vec<bool>,
}

/// One side of an updating join.
#[derive(Clone, Debug)]
pub struct JoinSide {
    /// Schema of its rows.
    pub schema: SchemaRef,
    /// Columns that identify a row of this side, if there are such: a row replaces the
    /// stored one with the same values.
    pub unique_key: Option<Vec<usize>>,
    /// Whether only +I comes.
    pub appends: bool,
    /// State TTL of a row since it came.
    pub ttl_ms: Option<i64>,
}

/// Updating join of all kinds. Output: left columns, right columns (semi, anti: left only).
#[derive(Clone, Debug)]
pub struct JoinSpec {
    /// Kind.
    pub kind: JoinKind,
    /// Equality part; empty: everything with everything, on one subtask.
    pub keys: JoinKeys,
    /// The rest of the condition.
    pub condition: Option<Predicate>,
    /// Left input.
    pub left: JoinSide,
    /// Right input.
    pub right: JoinSide,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Join of rows in the same window; both inputs carry window columns.
#[derive(Clone, Debug)]
pub struct WindowJoinSpec {
    /// Kind.
    pub kind: JoinKind,
    /// Equality part without the window columns.
    pub keys: JoinKeys,
    /// The rest of the condition.
    pub condition: Option<Predicate>,
    /// Column window_end of the left input.
    pub left_window_end: usize,
    /// Column window_end of the right input.
    pub right_window_end: usize,
    /// For windows over TIMESTAMP_LTZ in a zone other than UTC.
    pub local_time: Option<Arc<dyn LocalTime>>,
    /// Schema of the left input.
    pub left: SchemaRef,
    /// Schema of the right input.
    pub right: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Join of rows whose times lie near each other:
/// `left.time + lower <= right.time <= left.time + upper`.
#[derive(Clone, Debug)]
pub struct IntervalJoinSpec {
    /// Kind.
    pub kind: JoinKind,
    /// Equality part.
    pub keys: JoinKeys,
    /// The rest of the condition (strict bounds are put into `lower_ms` and `upper_ms`).
    pub condition: Option<Predicate>,
    /// Least `right.time - left.time`.
    pub lower_ms: i64,
    /// Greatest `right.time - left.time`.
    pub upper_ms: i64,
    /// Rowtime columns left and right; `None`: processing time.
    pub rowtimes: Option<(usize, usize)>,
    /// Schema of the left input.
    pub left: SchemaRef,
    /// Schema of the right input.
    pub right: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// `FOR SYSTEM_TIME AS OF`: each left row with the version of the right row at its time.
#[derive(Clone, Debug)]
pub struct TemporalJoinSpec {
    /// Inner or Left.
    pub kind: JoinKind,
    /// Equality part.
    pub keys: JoinKeys,
    /// The rest of the condition.
    pub condition: Option<Predicate>,
    /// Rowtime columns left and right; `None`: the version at the time of processing.
    pub rowtimes: Option<(usize, usize)>,
    /// State TTL of right versions (processing time) and of left rows.
    pub ttl_ms: Option<i64>,
    /// Schema of the left input.
    pub left: SchemaRef,
    /// Schema of the right input.
    pub right: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Direction and place of NULL of one sort column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortColumn {
    /// The column.
    pub column: usize,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST (Flink's default: first when ascending, last when descending).
    pub nulls_first: bool,
}

/// Where a Top-N ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankEnd {
    /// At this rank, itself included.
    Constant(u64),
    /// At the rank in this BIGINT column, which is the same for all rows of a partition.
    Column(usize),
}

/// Top-N: `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..)` with a bound on it; without sort
/// columns it is LIMIT and OFFSET by arrival.
///
/// Output: input columns, then the rank (BIGINT) if `with_rank`.
#[derive(Clone, Debug)]
pub struct TopNSpec {
    /// PARTITION BY.
    pub partition: Vec<usize>,
    /// ORDER BY; ties stay in order of arrival.
    pub order: Vec<SortColumn>,
    /// First rank that comes out, 1 or more.
    pub start: u64,
    /// Last rank that comes out.
    pub end: RankEnd,
    /// Whether the rank is a column of the output.
    pub with_rank: bool,
    /// Whether the input holds -U or -D.
    pub input_retracts: bool,
    /// For an upsert input (+U without -U): the columns that identify a row.
    pub row_key: Option<Vec<usize>>,
    /// Whether the consumer needs -U.
    pub update_before: bool,
    /// State TTL of a partition since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of the input.
    pub input: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Which row of a key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The first.
    First,
    /// The last.
    Last,
}

/// Deduplication: `ROW_NUMBER() OVER (PARTITION BY key ORDER BY time) = 1`.
#[derive(Clone, Debug)]
pub struct DeduplicateSpec {
    /// PARTITION BY.
    pub keys: Vec<usize>,
    /// Which row stays.
    pub keep: Keep,
    /// The rowtime column; `None`: by arrival (processing time).
    pub rowtime: Option<usize>,
    /// Whether the consumer needs -U.
    pub update_before: bool,
    /// State TTL of a key since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of input and output.
    pub schema: SchemaRef,
}

/// Top-N and deduplication within windows; comes out when the window ends, +I only.
#[derive(Clone, Debug)]
pub struct WindowRankSpec {
    /// PARTITION BY without the window columns.
    pub partition: Vec<usize>,
    /// ORDER BY; ties stay in order of arrival.
    pub order: Vec<SortColumn>,
    /// First rank that comes out, 1 or more.
    pub start: u64,
    /// Last rank that comes out.
    pub end: u64,
    /// Deduplication that keeps the last row: of equal rows the newest stands first.
    pub newest_first: bool,
    /// Whether the rank is a column of the output.
    pub with_rank: bool,
    /// Column window_end.
    pub window_end: usize,
    /// For windows over TIMESTAMP_LTZ in a zone other than UTC.
    pub local_time: Option<Arc<dyn LocalTime>>,
    /// Schema of the input.
    pub input: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// The rows that an OVER call sees, up to the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// ROWS BETWEEN n (`None`: UNBOUNDED) PRECEDING AND CURRENT ROW.
    Rows {
        /// Rows before the current one.
        preceding: Option<u64>,
    },
    /// RANGE BETWEEN interval (`None`: UNBOUNDED) PRECEDING AND CURRENT ROW; rows of the same
    /// time count together.
    Range {
        /// Milliseconds before the current row; the far edge is inclusive.
        preceding_ms: Option<i64>,
    },
}

/// OVER by time. Output: input columns, then results.
#[derive(Clone, Debug)]
pub struct OverSpec {
    /// PARTITION BY.
    pub partition: Vec<usize>,
    /// Time of the ORDER BY.
    pub time: TimeDomain,
    /// Frame of all calls.
    pub frame: Frame,
    /// Calls.
    pub calls: Vec<AggCall>,
    /// State TTL of a partition since its last row (processing time, unbounded).
    pub ttl_ms: Option<i64>,
    /// Schema of the input.
    pub input: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// OVER by columns that are no time attribute: rows that follow a new one are updated.
/// Output: input columns, then results.
#[derive(Clone, Debug)]
pub struct UpdatingOverSpec {
    /// PARTITION BY.
    pub partition: Vec<usize>,
    /// ORDER BY.
    pub order: Vec<SortColumn>,
    /// FALSE: ROWS UNBOUNDED PRECEDING; TRUE: RANGE UNBOUNDED PRECEDING, ties count together.
    pub range: bool,
    /// Calls.
    pub calls: Vec<AggCall>,
    /// Whether the consumer needs -U.
    pub update_before: bool,
    /// State TTL of a partition since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of the input.
    pub input: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Turns upserts (+I, +U, -D by key) into a changelog with -U, and drops repeats.
#[derive(Clone, Debug)]
pub struct ChangelogNormalizeSpec {
    /// The key.
    pub keys: Vec<usize>,
    /// Whether the consumer needs -U.
    pub update_before: bool,
    /// State TTL of a key since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of input and output.
    pub schema: SchemaRef,
}

/// Puts changes of a sink's key in order when the input's key is another one.
#[derive(Clone, Debug)]
pub struct UpsertMaterializeSpec {
    /// The sink's primary key.
    pub keys: Vec<usize>,
    /// Columns that identify an input row, if there are such; else all.
    pub input_key: Option<Vec<usize>>,
    /// State TTL of a key since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of input and output.
    pub schema: SchemaRef,
}

/// ORDER BY a time attribute, and ORDER BY of bounded input.
#[derive(Clone, Debug)]
pub struct SortSpec {
    /// Rows come out when the watermark has passed this column; `None`: at the end of input.
    pub rowtime: Option<usize>,
    /// Sort columns (behind the rowtime, if there is one).
    pub order: Vec<SortColumn>,
    /// Schema of input and output.
    pub schema: SchemaRef,
}

/// INTERSECT, EXCEPT and their ALL forms over two inputs of the same columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    /// Rows of both, once.
    Intersect,
    /// Rows of both, as often as in the side that has fewer.
    IntersectAll,
    /// Rows of the left that are not in the right, once.
    Except,
    /// Rows of the left, less those of the right.
    ExceptAll,
}

/// A set operation.
#[derive(Clone, Debug)]
pub struct SetOperationSpec {
    /// Which.
    pub operation: SetOperation,
    /// State TTL of a row since its last change.
    pub ttl_ms: Option<i64>,
    /// Schema of inputs and output.
    pub schema: SchemaRef,
}

/// GROUPING SETS: one copy of each row for each set, with NULL for the keys not in it.
#[derive(Clone, Debug)]
pub struct ExpandSpec {
    /// For each set: for each output column but the last, the input column or NULL.
    pub projections: Vec<Vec<Option<usize>>>,
    /// For each set the value of the last output column (BIGINT), Flink's `$e`.
    pub ids: Vec<i64>,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// What a row is multiplied by.
#[derive(Clone, Debug)]
pub enum Correlation {
    /// UNNEST of an ARRAY, MAP or MULTISET column.
    Unnest {
        /// The column.
        column: usize,
        /// Whether it is a MULTISET, whose elements come as often as they are in it.
        multiset: bool,
        /// WITH ORDINALITY: the position, from 1, is the last output column.
        with_ordinality: bool,
    },
    /// A table function by its registered name.
    Function {
        /// The name.
        name: String,
        /// Columns of its arguments.
        args: Vec<usize>,
    },
}

/// CROSS JOIN UNNEST, LATERAL TABLE(..), and their LEFT forms.
/// Output: input columns, then those of the function.
#[derive(Clone, Debug)]
pub struct CorrelateSpec {
    /// The function.
    pub correlation: Correlation,
    /// LEFT: a row without results comes out padded with NULL.
    pub outer: bool,
    /// Which results count, over the output.
    pub condition: Option<Predicate>,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Watermarks from an expression, `WATERMARK FOR ts AS ..`.
#[derive(Clone, Debug)]
pub struct WatermarkSpec {
    /// The rowtime column; NULL in it fails the job.
    pub rowtime: usize,
    /// The name of the rowtime column, for errors.
    pub rowtime_name: String,
    /// The computed watermark (TIMESTAMP or TIMESTAMP_LTZ of precision 3); rows with NULL do
    /// not move it. Dropped from the output when it is the last column and not `rowtime`.
    pub watermark: usize,
    /// `table.exec.source.idle-timeout`: idle after this long without a row.
    pub idle_timeout_ms: Option<i64>,
    /// Schema of the output.
    pub output: SchemaRef,
}

/// Which answers of an outside table are kept; by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCache {
    /// Most keys kept with their answers; 0: no cache.
    pub max_keys: usize,
    /// How long an answer is kept since it came.
    pub expire_after_write_ms: Option<i64>,
    /// How long an answer is kept since it was last used.
    pub expire_after_access_ms: Option<i64>,
    /// Whether it is kept that a key has no rows.
    pub keeps_missing: bool,
}

/// Join with an outside table: `JOIN dim FOR SYSTEM_TIME AS OF proctime`.
/// Output: left columns, then columns of the outside table.
#[derive(Clone, Debug)]
pub struct LookupJoinSpec {
    /// Inner or Left.
    pub kind: JoinKind,
    /// Columns of the left input that are looked up.
    pub keys: Vec<usize>,
    /// The names of the outside table's columns that they are compared with.
    pub right_keys: Vec<String>,
    /// The rest of the condition.
    pub condition: Option<Predicate>,
    /// Which answers are kept.
    pub cache: LookupCache,
    /// Batches that may wait for answers at a time.
    pub capacity: usize,
    /// How long an answer may take.
    pub timeout_ms: i64,
    /// Schema of the left input.
    pub left: SchemaRef,
    /// Schema of the outside table's columns.
    pub right: SchemaRef,
    /// Schema of the output.
    pub output: SchemaRef,
}
