//! The streaming plan: operators with their specs, what changes they emit, how rows get
//! from one to the next.
//!
//! Between the logical plan ([`super::logical`], made streaming by [`super::translate`])
//! and the job graph ([`super::job`]).
//!
//! Invariant: an operator's spec names columns of its inputs' schemas; an input that does
//! not come forward is dealt out so that rows of one key meet.

use crate::connectors::lookup::LookupTable;
use crate::connectors::{TableSink, TableSource};
use crate::expr::Expr;
use crate::plan::logical::{Schema, WindowKind};
use crate::runtime::spec;
use std::sync::Arc;

/// The kinds of changes that a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// +I only.
    Append,
    /// +I, -U, +U, -D.
    Retract,
    /// +I, +U, -D by key.
    Upsert,
}

impl Changes {
    /// As plans show them.
    pub fn text(self) -> &'static str {
        match self {
            Changes::Append => "[I]",
            Changes::Retract => "[I,UB,UA,D]",
            Changes::Upsert => "[I,UA,D]",
        }
    }
    /// Whether rows are taken back.
    pub fn retracts(self) -> bool {
        self != Changes::Append
    }
    /// Of a stream made of two.
    pub fn and(self, other: Changes) -> Changes {
        if self == Changes::Append && other == Changes::Append {
            Changes::Append
        } else {
            Changes::Retract
        }
    }
}

/// How rows reach an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// From the subtask of the same index.
    Forward,
    /// To the owner of these columns' values.
    Hash(Vec<usize>),
    /// All to one subtask.
    Single,
}

impl Distribution {
    /// By key, or all to one when there is no key.
    pub(crate) fn by(keys: &[usize]) -> Self {
        if keys.is_empty() { Distribution::Single } else { Distribution::Hash(keys.to_vec()) }
    }
    pub(crate) fn text(&self, schema: &Schema) -> Option<String> {
        let name = |i: &usize| schema.get(*i).map_or("?", |f| f.name.as_str());
        match self {
            Distribution::Forward => None,
            Distribution::Hash(keys) => {
                Some(format!("hash[{}]", keys.iter().map(name).collect::<Vec<_>>().join(", ")))
            }
            Distribution::Single => Some("single".into()),
        }
    }
}

/// Columns that hold a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WindowColumns {
    pub(crate) start: Option<usize>,
    pub(crate) end: Option<usize>,
    pub(crate) time: Option<usize>,
    pub(crate) kind: WindowKind,
    /// Whether the time is a TIMESTAMP_LTZ.
    pub(crate) ltz: bool,
    /// Whether the windows are of processing time.
    pub(crate) by_clock: bool,
}

impl WindowColumns {
    /// Where the columns are after `map` (`None`: gone); nothing when the end is gone.
    pub(crate) fn mapped(&self, map: impl Fn(usize) -> Option<usize>) -> Option<WindowColumns> {
        let at = |c: Option<usize>| c.and_then(&map);
        let moved = WindowColumns {
            start: at(self.start),
            end: at(self.end),
            time: at(self.time),
            ..self.clone()
        };
        (moved.start.is_some() || moved.end.is_some() || moved.time.is_some()).then_some(moved)
    }
}

/// An operator with its spec.
#[derive(Clone)]
#[allow(missing_docs)] // named after the specs
pub(crate) enum Op {
    Source(Arc<dyn TableSource>, String),
    Values(Vec<Vec<Expr>>),
    Calc { condition: Option<Expr>, exprs: Vec<Expr> },
    Watermark(spec::WatermarkSpec),
    Union,
    MiniBatch(spec::MiniBatchSpec),
    GroupAggregate(spec::GroupAggregateSpec),
    WindowAggregate(spec::WindowAggregateSpec),
    WindowTable(spec::WindowTableSpec),
    Join(spec::JoinSpec),
    WindowJoin(spec::WindowJoinSpec),
    IntervalJoin(spec::IntervalJoinSpec),
    TemporalJoin(spec::TemporalJoinSpec),
    LookupJoin(spec::LookupJoinSpec, Arc<dyn LookupTable>, String),
    TopN(spec::TopNSpec),
    Deduplicate(spec::DeduplicateSpec),
    WindowRank(spec::WindowRankSpec),
    Over(spec::OverSpec),
    UpdatingOver(spec::UpdatingOverSpec),
    DropUpdateBefore,
    Normalize(spec::ChangelogNormalizeSpec),
    Sort(spec::SortSpec),
    SetOperation(spec::SetOperationSpec),
    Expand(spec::ExpandSpec),
    Correlate(spec::CorrelateSpec),
    NotNull(Vec<usize>),
    Sink(Arc<dyn TableSink>, String),
}

/// An operator of the streaming plan with what is in front of it.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<(Node, Distribution)>,
    pub(crate) schema: Schema,
    pub(crate) changes: Changes,
    /// Columns that identify a row, if there are such.
    pub(crate) key: Option<Vec<usize>>,
    pub(crate) window: Option<WindowColumns>,
}

impl Node {
    /// The operator's name for plans, metrics and errors.
    pub(crate) fn name(&self) -> String {
        let names: Vec<&str> = match self.inputs.as_slice() {
            [] => vec![],
            inputs => {
                inputs.iter().flat_map(|(n, _)| n.schema.iter().map(|f| f.name.as_str())).collect()
            }
        };
        let name = |i: &usize| names.get(*i).copied().unwrap_or("?").to_owned();
        let list = |l: &[usize]| l.iter().map(name).collect::<Vec<_>>().join(", ");
        let calls = |calls: &[spec::AggCall]| {
            let one = |c: &spec::AggCall| {
                let distinct = if c.distinct { "DISTINCT " } else { "" };
                format!("{:?}({distinct}{})", c.function, list(&c.args))
            };
            calls.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let order = |l: &[spec::SortColumn]| {
            let one = |s: &spec::SortColumn| {
                format!("{} {}", name(&s.column), if s.descending { "DESC" } else { "ASC" })
            };
            l.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        match &self.op {
            Op::Source(_, table) => format!("TableSourceScan(table=[[{table}]])"),
            Op::Values(rows) => format!("Values(rows=[{}])", rows.len()),
            Op::Calc { condition, exprs } => {
                let select: Vec<String> = exprs
                    .iter()
                    .zip(&self.schema)
                    .map(|(e, f)| {
                        let text = e.display(&names).to_string();
                        if text == f.name { text } else { format!("{text} AS {}", f.name) }
                    })
                    .collect();
                let filter = condition
                    .as_ref()
                    .map_or_else(String::new, |c| format!(", where=[{}]", c.display(&names)));
                format!("Calc(select=[{}]{filter})", select.join(", "))
            }
            Op::Watermark(s) => {
                format!("WatermarkAssigner(rowtime=[{}])", s.rowtime_name)
            }
            Op::Union => "Union(all=[true])".into(),
            Op::MiniBatch(s) => {
                format!("MiniBatch(size=[{}], latency=[{} ms])", s.size, s.latency_ms)
            }
            Op::GroupAggregate(s) => {
                format!("GroupAggregate(groupBy=[{}], select=[{}])", list(&s.keys), calls(&s.calls))
            }
            Op::WindowAggregate(s) => format!(
                "WindowAggregate(groupBy=[{}], window=[{:?}], select=[{}])",
                list(&s.keys),
                s.window,
                calls(&s.calls)
            ),
            Op::WindowTable(s) => format!("WindowTableFunction(window=[{:?}])", s.window),
            Op::Join(s) => format!("Join(joinType=[{:?}], {})", s.kind, self.on(&s.keys)),
            Op::WindowJoin(s) => {
                format!("WindowJoin(joinType=[{:?}], {})", s.kind, self.on(&s.keys))
            }
            Op::IntervalJoin(s) => format!(
                "IntervalJoin(joinType=[{:?}], {}, bounds=[{} ms, {} ms])",
                s.kind,
                self.on(&s.keys),
                s.lower_ms,
                s.upper_ms
            ),
            Op::TemporalJoin(s) => {
                format!("TemporalJoin(joinType=[{:?}], {})", s.kind, self.on(&s.keys))
            }
            Op::LookupJoin(s, _, table) => {
                let keys: Vec<String> = s
                    .right_keys
                    .iter()
                    .zip(&s.keys)
                    .map(|(right, left)| format!("{right} = {}", name(left)))
                    .collect();
                format!(
                    "LookupJoin(table=[{table}], joinType=[{:?}], lookup=[{}])",
                    s.kind,
                    keys.join(", ")
                )
            }
            Op::TopN(s) => {
                let end = match s.end {
                    spec::RankEnd::Constant(n) => n.to_string(),
                    spec::RankEnd::Column(c) => name(&c),
                };
                format!(
                    "Rank(rankStart={}, rankEnd={end}, partitionBy=[{}], orderBy=[{}])",
                    s.start,
                    list(&s.partition),
                    order(&s.order)
                )
            }
            Op::Deduplicate(s) => {
                format!("Deduplicate(keep=[{:?}], key=[{}])", s.keep, list(&s.keys))
            }
            Op::WindowRank(s) => format!(
                "WindowRank(rankStart={}, rankEnd={}, partitionBy=[{}], orderBy=[{}])",
                s.start,
                s.end,
                list(&s.partition),
                order(&s.order)
            ),
            Op::Over(s) => format!(
                "OverAggregate(partitionBy=[{}], frame=[{:?}], select=[{}])",
                list(&s.partition),
                s.frame,
                calls(&s.calls)
            ),
            Op::UpdatingOver(s) => format!(
                "OverAggregate(partitionBy=[{}], orderBy=[{}], select=[{}])",
                list(&s.partition),
                order(&s.order),
                calls(&s.calls)
            ),
            Op::DropUpdateBefore => "DropUpdateBefore".into(),
            Op::Normalize(s) => format!("ChangelogNormalize(key=[{}])", list(&s.keys)),
            Op::Sort(s) => format!("Sort(orderBy=[{}])", order(&s.order)),
            Op::SetOperation(s) => format!("SetOperation({:?})", s.operation),
            Op::Expand(s) => format!("Expand(sets=[{}])", s.projections.len()),
            Op::Correlate(s) => {
                let kind = if s.outer { "LEFT" } else { "INNER" };
                match &s.correlation {
                    spec::Correlation::Unnest { .. } => format!("Correlate({kind})"),
                    spec::Correlation::Function { name: function, args } => {
                        format!("Correlate({kind}, function=[{function}({})])", list(args))
                    }
                }
            }
            Op::NotNull(columns) => format!("NotNullEnforcer(fields=[{}])", list(columns)),
            Op::Sink(_, table) => format!("Sink(table=[{table}])"),
        }
    }

    fn on(&self, keys: &spec::JoinKeys) -> String {
        let of = |side: usize, i: usize| {
            let node = self.inputs.get(side).map(|(n, _)| n);
            node.and_then(|n| n.schema.get(i)).map_or("?", |f| f.name.as_str()).to_owned()
        };
        let pairs: Vec<String> = keys
            .left
            .iter()
            .zip(&keys.right)
            .map(|(l, r)| format!("{} = {}", of(0, *l), of(1, *r)))
            .collect();
        format!("where=[{}]", pairs.join(" AND "))
    }
}
