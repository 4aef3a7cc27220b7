//! From the logical to the streaming plan: which operator does each step.
//!
//! | logical | streaming |
//! |---|---|
//! | aggregate by window_start, window_end | window aggregate |
//! | filter on ROW_NUMBER | deduplication, Top-N, window Top-N |
//! | join on both windows; on a range of times; else | window, interval, updating join |
//! | FOR SYSTEM_TIME AS OF rowtime; of processing time | temporal join; lookup join |
//! | sort by rowtime; with LIMIT; else | sort by watermark, Top-N, refused |
//!
//! Source: Flink's pages on each operator; the code is our own.

mod aggregate;
mod join;
mod lookup;
mod over;
mod rank;
mod shared;
mod source;
mod window;

use aggregate::reads;
use join::spec_kind;
use rank::sort_columns;
use shared::{Shared, shared};

use super::condition::{self, conjuncts};
use super::empty::without_empty;
use super::logical::{
    AggregateCall, Field, FrameBound, JoinKind, OverFunction, OverGroup, Rel, Schema, SortKey,
    Window, WindowKind, WindowPart,
};
use super::prune::prune;
use super::stream::{Changes, Distribution, Node, Op, WindowColumns};
use crate::connectors::{self, ConnectorContext, Needed};
use crate::dialect::ast::SetOp;
use crate::expr::{EvalContext, Expr, Node as ExprNode, evaluate_columns, evaluate_filter, fold};
use crate::runtime::spec::{
    self, AggCall, AggFunction, JoinKeys, JoinSide, LocalTime, Predicate, RankEnd, SortColumn,
    TimeDomain, WindowAssigner, WindowColumn,
};
use crate::settings::Settings;
use crate::types::{SqlType, TimeAttribute, TypeKind};
use crate::value::Value;
use crate::zone::Zone;
use arrow_schema::SchemaRef;
use millstream_core::{Error, Result};
use std::sync::Arc;

/// The Arrow schema of columns. Every column may hold NULL: Flink lets NULL into NOT NULL
/// columns until they reach a sink.
pub(crate) fn arrow_schema(schema: &Schema) -> SchemaRef {
    let field = |f: &Field| f.ty.arrow_field(&f.name).with_nullable(true);
    Arc::new(arrow_schema::Schema::new(schema.iter().map(field).collect::<Vec<_>>()))
}

/// The local clock of a zone, for windows over TIMESTAMP_LTZ.
#[derive(Debug)]
struct ZoneTime(Zone);

impl LocalTime for ZoneTime {
    fn to_local_ms(&self, instant_ms: i64) -> i64 {
        self.0.to_local_ms(instant_ms)
    }
    fn to_instant_ms(&self, local_ms: i64) -> i64 {
        self.0.to_instant_ms(local_ms)
    }
}

/// Makes the streaming plan of queries of one session.
pub(crate) struct Translator<'a> {
    settings: &'a Settings,
    zone: Zone,
    ttl_ms: Option<i64>,
    shared: Shared,
}

impl<'a> Translator<'a> {
    /// For a session with these settings.
    ///
    /// # Errors
    /// `Config`, when a setting is wrong.
    pub(crate) fn new(settings: &'a Settings) -> Result<Self> {
        let (zone, ttl_ms) = (settings.zone()?, settings.state_ttl_ms()?);
        Ok(Translator { settings, zone, ttl_ms, shared: Shared::default() })
    }

    /// The plan of a query; all its columns are needed.
    ///
    /// # Errors
    /// `Config`, for what streaming cannot do.
    pub(crate) fn translate(&self, rel: &Rel) -> Result<Node> {
        let mut nodes = self.translate_all(std::slice::from_ref(rel))?;
        nodes.pop().ok_or_else(|| Error::bug("a query without a plan"))
    }

    /// The plans of queries of one job; what several of them compute is shared.
    ///
    /// # Errors
    /// As [`translate`](Self::translate).
    pub(crate) fn translate_all(&self, rels: &[Rel]) -> Result<Vec<Node>> {
        let context = EvalContext::new(self.zone, 0, 0);
        let pruned = |rel: &Rel| prune(without_empty(rel.clone(), &context));
        let rels: Vec<Rel> = rels.iter().map(pruned).collect();
        if self.shared.find(&rels) {
            // What all readers of a shared relation need of it.
            rels.iter().try_for_each(|rel| self.all(rel).map(|_| ()))?;
        }
        rels.iter().map(|rel| self.all(rel)).collect()
    }

    /// How long an operator keeps what it keeps of the rows of `input`.
    fn ttl_of(&self, input: &Rel) -> Option<i64> {
        match input.hinted_ttl_ms() {
            Some(ttl_ms) => Some(ttl_ms).filter(|ms| *ms > 0),
            None => self.ttl_ms,
        }
    }

    fn local_time(&self, ltz: bool) -> Option<Arc<dyn LocalTime>> {
        (ltz && self.zone != Zone::UTC).then(|| Arc::new(ZoneTime(self.zone)) as _)
    }

    fn predicate(&self, conditions: Vec<Expr>) -> Option<Predicate> {
        if conditions.is_empty() {
            return None;
        }
        let condition = Expr::and(conditions);
        let (zone, columns) = (self.zone, condition.columns());
        let text = condition.to_string();
        let matches = move |rows: &_| {
            let context = EvalContext::new(zone, 0, 0);
            evaluate_filter(&condition, rows, &context)
        };
        Some(Predicate::new(matches).described(&text).over(columns))
    }

    /// The operator of `rel`; `needed` says what anyone reads of its columns.
    fn rel(&self, rel: &Rel, needed: &[Needed]) -> Result<Node> {
        match self.shared.of(rel, needed) {
            Some((digest, by_all)) => {
                let node = self.operator(rel, &by_all)?;
                Ok(shared(node, &digest, &by_all, rel))
            }
            None => self.operator(rel, needed),
        }
    }

    fn operator(&self, rel: &Rel, needed: &[Needed]) -> Result<Node> {
        match rel {
            Rel::Scan { table, options, columns, schema } => {
                let context =
                    ConnectorContext { table, options, columns, schema, settings: self.settings };
                let source = connectors::source(&context)?;
                // What is normalized by key is compared with the row before: all of it counts.
                let whole = source.changes() == Changes::Upsert
                    || (source.changes().retracts() && self.settings.cdc_events_duplicate()?);
                let source = match if whole { None } else { source.project(needed)? } {
                    Some(projected) => projected,
                    None => source,
                };
                self.source(source, table, schema)
            }
            Rel::Values { rows, schema } => Ok(Node {
                op: Op::Values(rows.clone()),
                inputs: vec![],
                schema: schema.clone(),
                changes: Changes::Append,
                key: None,
                window: None,
            }),
            Rel::Project { input, exprs, schema } => {
                if let Some(row) = single_row(input) {
                    self.constant_division(exprs, &row)?;
                }
                let wanted = needed_by(input.schema().len(), exprs, needed);
                let node = self.rel(input, &wanted)?;
                Ok(calc(node, None, exprs.clone(), schema.clone()))
            }
            Rel::Filter { input, condition } => {
                if let Some(node) = self.rank(input, condition, needed)? {
                    return Ok(node);
                }
                let mut wanted = needed.to_vec();
                add_needed(condition, &Needed::All, &mut wanted);
                let node = self.rel(input, &wanted)?;
                let exprs = input.columns();
                let schema = input.schema().clone();
                Ok(calc(node, Some(condition.clone()), exprs, schema))
            }
            Rel::Watermark { input, column, expr, schema } => {
                self.watermark(input, *column, expr, needed, schema)
            }
            Rel::Aggregate { input, keys, calls, window, schema } => match window {
                Some((window, parts)) => {
                    self.group_window(input, keys, calls, window, parts, schema)
                }
                None => self.aggregate(input, keys, calls, schema),
            },
            Rel::Expand { input, projections, schema } => {
                let node = self.all(input)?;
                let column = |e: &Expr| match e.node {
                    ExprNode::Column(i) => Some(i),
                    _ => None,
                };
                let mut sets: Vec<Vec<Option<usize>>> = vec![];
                let mut ids = vec![];
                for row in projections {
                    let (id, columns) = row.split_last().ok_or_else(|| Error::bug("no set id"))?;
                    match id.as_literal() {
                        Some(Value::Int(n)) => ids.push(*n),
                        _ => return Err(Error::bug("a set id that is no number")),
                    }
                    sets.push(columns.iter().map(column).collect());
                }
                let output = arrow_schema(schema);
                // A window column that a set leaves out is NULL there, and no window any more.
                let everywhere =
                    |i: usize| sets.iter().all(|set| set.get(i) == Some(&Some(i))).then_some(i);
                let window = node.window.as_ref().and_then(|w| w.mapped(everywhere));
                let changes = node.changes;
                let spec = spec::ExpandSpec { projections: sets, ids, output };
                Ok(one(
                    Op::Expand(spec),
                    node,
                    Distribution::Forward,
                    schema,
                    changes,
                    None,
                    window,
                ))
            }
            Rel::WindowTable { input, window, schema } => {
                self.window_table(input, window, needed, schema)
            }
            Rel::Over { input, groups, schema } => self.over(input, groups, schema),
            Rel::Join { left, right, kind, condition, schema } => {
                self.join(left, right, *kind, condition, schema)
            }
            Rel::TemporalJoin { left, right, kind, time_column, condition, schema } => {
                self.temporal_join(left, right, *kind, *time_column, condition, schema)
            }
            Rel::LookupJoin { left, right, kind, condition, lookup, schema } => {
                self.lookup_join(left, right, *kind, condition, lookup, needed, schema)
            }
            Rel::StateTtl { input, .. } => self.rel(input, needed),
            Rel::Unnest { input, expr, ordinality, outer, on, schema } => {
                self.unnest(input, expr, *ordinality, *outer, on, schema)
            }
            Rel::TableFunction { input, function, args, outer, schema } => {
                self.table_function(input, function, args, *outer, schema)
            }
            Rel::SetOp { op, all, inputs, schema } => self.set_op(*op, *all, inputs, schema),
            Rel::Sort { input, keys, offset, limit } => self.sort(input, keys, *offset, *limit),
        }
    }

    /// Flink divides constant decimals while it plans, and fails then when one is by zero.
    /// Of other numbers it does so only where both operands are written as constants.
    fn constant_division(&self, exprs: &[Expr], row: &[Expr]) -> Result<()> {
        for expr in exprs {
            self.written_division(expr)?;
            let constant = substitute(expr.clone(), row);
            let mut failed = None;
            constant.walk(&mut |e| {
                let divides = matches!(&e.node, ExprNode::Call(c) if c.function.name() == "/");
                let decimal = matches!(e.ty.kind, TypeKind::Decimal { .. });
                if divides && decimal && e.is_constant() && failed.is_none() {
                    let context = EvalContext::new(self.zone, 0, 0);
                    failed = evaluate_columns(e, &[], 1, &context).err();
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn written_division(&self, expr: &Expr) -> Result<()> {
        let mut by_zero = false;
        expr.walk(&mut |e| {
            if let ExprNode::Call(call) = &e.node
                && call.function.name() == "/"
                && let [a, b] = call.args.as_slice()
                && a.is_constant()
                && b.is_constant()
            {
                let context = EvalContext::new(self.zone, 0, 0);
                let value = |e: &Expr| fold(e.clone(), &context).ok()?.as_literal().cloned();
                let zero = |v: &Value| {
                    matches!(v, Value::Int(0) | Value::Decimal(0)) || *v == Value::Float(0.0)
                };
                let null = |v: &Value| v.is_null();
                by_zero |=
                    value(b).as_ref().is_some_and(zero) && !value(a).as_ref().is_some_and(null);
            }
        });
        match by_zero {
            true => Err(Error::data("Division by zero").advice("test the divisor with NULLIF")),
            false => Ok(()),
        }
    }

    /// The operator of `rel`, of which all columns are read.
    fn all(&self, rel: &Rel) -> Result<Node> {
        self.rel(rel, &vec![Needed::All; rel.schema().len()])
    }
}

/// A node with one input.
fn one(
    op: Op,
    input: Node,
    by: Distribution,
    schema: &Schema,
    changes: Changes,
    key: Option<Vec<usize>>,
    window: Option<WindowColumns>,
) -> Node {
    Node { op, inputs: vec![(input, by)], schema: schema.clone(), changes, key, window }
}

/// Expressions over the rows of `input`; nothing when they are its columns.
pub(crate) fn calc(input: Node, condition: Option<Expr>, exprs: Vec<Expr>, schema: Schema) -> Node {
    let column = |e: &Expr| match e.node {
        ExprNode::Column(i) => Some(i),
        _ => None,
    };
    let identity = condition.is_none()
        && exprs.len() == input.schema.len()
        && exprs.iter().enumerate().all(|(i, e)| column(e) == Some(i));
    let (changes, key, window) = (input.changes, input.key.clone(), input.window.clone());
    if identity {
        return Node { schema, ..input };
    }
    let to = |i: usize| exprs.iter().position(|e| column(e) == Some(i));
    let key = key.and_then(|k| k.into_iter().map(to).collect());
    let window = window.and_then(|w| w.mapped(to));
    let (input, condition, exprs) = fused(input, condition, exprs);
    let op = Op::Calc { condition, exprs };
    one(op, input, Distribution::Forward, &schema, changes, key, window)
}

/// A calc over a calc as one, unless something would be computed more than once.
fn fused(
    input: Node,
    condition: Option<Expr>,
    exprs: Vec<Expr>,
) -> (Node, Option<Expr>, Vec<Expr>) {
    let (Op::Calc { condition: first, exprs: below }, [(source, _)]) =
        (&input.op, input.inputs.as_slice())
    else {
        return (input, condition, exprs);
    };
    let mut reads = vec![0usize; below.len()];
    for expr in exprs.iter().chain(&condition) {
        expr.walk(&mut |e| {
            if let ExprNode::Column(i) = e.node
                && let Some(count) = reads.get_mut(i)
            {
                *count += 1;
            }
        });
    }
    let once = |(e, reads): (&Expr, &usize)| {
        e.is_path() || e.as_literal().is_some() || (*reads <= 1 && e.is_deterministic())
    };
    if !below.iter().zip(&reads).all(once) {
        return (input, condition, exprs);
    }
    let moved = |e: Expr| substitute(e, below);
    let mut conditions: Vec<Expr> = first.iter().cloned().flat_map(conjuncts).collect();
    conditions.extend(condition.into_iter().flat_map(|c| conjuncts(moved(c))));
    let condition = (!conditions.is_empty()).then(|| Expr::and(conditions));
    let exprs = exprs.into_iter().map(moved).collect();
    (source.clone(), condition, exprs)
}

fn needed_by(width: usize, exprs: &[Expr], needed: &[Needed]) -> Vec<Needed> {
    let mut wanted = vec![Needed::No; width];
    exprs.iter().zip(needed).for_each(|(e, needed)| add_needed(e, needed, &mut wanted));
    wanted
}

/// Adds what an expression reads, when `needed` of its result is; fields of ROWs one by one.
fn add_needed(expr: &Expr, needed: &Needed, wanted: &mut [Needed]) {
    match (&expr.node, needed) {
        (_, Needed::No) => {}
        (ExprNode::Column(i), needed) => {
            if let Some(column) = wanted.get_mut(*i) {
                column.add(needed);
            }
        }
        (ExprNode::Field { row, index }, needed) => match &row.ty.kind {
            TypeKind::Row(fields) => {
                let of = |i: usize| if i == *index { needed.clone() } else { Needed::No };
                let fields = Needed::Fields((0..fields.len()).map(of).collect());
                add_needed(row, &fields, wanted);
            }
            _ => add_needed(row, &Needed::All, wanted),
        },
        _ => expr.children().into_iter().for_each(|e| add_needed(e, &Needed::All, wanted)),
    }
}

/// The values of a relation that is one constant row.
fn single_row(rel: &Rel) -> Option<Vec<Expr>> {
    match rel {
        Rel::Values { rows, .. } => match rows.as_slice() {
            // Literals as they are written stay values of the run.
            [row] if !row.is_empty() && row.iter().all(|e| e.as_literal().is_some()) => None,
            [row] => Some(row.clone()),
            _ => None,
        },
        Rel::Project { input, exprs, .. } => {
            let row = single_row(input)?;
            Some(exprs.iter().map(|e| substitute(e.clone(), &row)).collect())
        }
        _ => None,
    }
}

/// `expr` with `exprs` in place of its columns from `start` on.
pub(crate) fn substitute_from(expr: Expr, start: usize, exprs: &[Expr]) -> Expr {
    expr.transform(&mut |e| match e.node {
        ExprNode::Column(i) => match i.checked_sub(start).and_then(|i| exprs.get(i)) {
            Some(with) if with.ty.kind == e.ty.kind => Expr { node: with.node.clone(), ty: e.ty },
            // What pads must go on to do so: only the result is seen as longer text.
            Some(with) => Expr { ty: e.ty.clone(), ..with.clone().cast_unchecked(e.ty, false) },
            None => e,
        },
        _ => e,
    })
}

/// `expr` with `exprs` in place of its columns.
pub(crate) fn substitute(expr: Expr, exprs: &[Expr]) -> Expr {
    substitute_from(expr, 0, exprs)
}
