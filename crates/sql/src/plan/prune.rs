//! Leaves columns out that nobody reads, on the logical plan.
//!
//! Between the binder and [`super::translate`]. Every operator says what it needs of its
//! inputs; in front of an operator that keeps or sends rows, a projection drops the rest.
//!
//! ```text
//!   Project(a) ── Join(b = c) ── Scan(a, b, x)        Project(a) ── Join ── Project(a, b) ── Scan
//!                            └── Scan(c, y)      ──>                    └── Project(c) ──── Scan
//! ```
//! A table (its scan with its watermark) stays as it is: all its users can share it, and the
//! translator tells the source which columns and fields to make.
//!
//! Invariant: the pruned plan has every needed column, at the place that the answer says.

use super::logical::{AggregateCall, OverFunction, OverGroup, Rel, Schema, SortKey, Window};
use crate::dialect::ast::SetOp;
use crate::expr::Expr;
use std::collections::BTreeSet;

/// Indices of columns.
type Columns = BTreeSet<usize>;

/// `rel` without what nobody reads inside of it; its own columns all stay.
pub(crate) fn prune(rel: Rel) -> Rel {
    let all = (0..rel.schema().len()).collect();
    exactly(rel, &all)
}

/// A plan, and where the columns of the former one are in it.
struct Pruned {
    rel: Rel,
    place: Vec<Option<usize>>,
}

impl Pruned {
    /// All columns where they were.
    fn unchanged(rel: Rel) -> Self {
        let place = (0..rel.schema().len()).map(Some).collect();
        Pruned { rel, place }
    }
    /// Where a needed column is.
    fn at(&self, column: usize) -> usize {
        self.place.get(column).copied().flatten().unwrap_or(column)
    }
    fn expr(&self, expr: Expr) -> Expr {
        expr.map_columns(&|i| self.at(i))
    }
}

/// Places of the kept columns among themselves.
fn places(width: usize, kept: &Columns) -> Vec<Option<usize>> {
    let mut next = 0;
    let mut place = |i| {
        kept.contains(&i).then(|| {
            next += 1;
            next - 1
        })
    };
    (0..width).map(&mut place).collect()
}

fn kept(schema: &Schema, columns: &Columns) -> Schema {
    columns.iter().filter_map(|i| schema.get(*i).cloned()).collect()
}

fn add_exprs<'a>(exprs: impl IntoIterator<Item = &'a Expr>, into: &mut Columns) {
    exprs.into_iter().for_each(|e| into.extend(e.columns()));
}

/// With the columns of `needed` and no others, in their order.
fn exactly(rel: Rel, needed: &Columns) -> Rel {
    let schema = kept(rel.schema(), needed);
    let pruned = columns(rel, needed);
    let wanted: Vec<usize> = needed.iter().map(|i| pruned.at(*i)).collect();
    if wanted.iter().copied().eq(0..pruned.rel.schema().len()) {
        return pruned.rel;
    }
    let exprs = wanted.iter().zip(&schema).map(|(i, f)| Expr::column(*i, f.ty.clone())).collect();
    Rel::Project { input: Box::new(pruned.rel), exprs, schema }
}

/// As [`exactly`], with where the columns are then.
fn narrow(rel: Rel, needed: &Columns) -> Pruned {
    let place = places(rel.schema().len(), needed);
    Pruned { rel: exactly(rel, needed), place }
}

/// With at least the columns of `needed`.
fn columns(rel: Rel, needed: &Columns) -> Pruned {
    match rel {
        Rel::Scan { .. } | Rel::Values { .. } | Rel::Watermark { .. } => Pruned::unchanged(rel),
        Rel::Project { input, exprs, schema } => {
            let place = places(schema.len(), needed);
            let schema = kept(&schema, needed);
            let exprs: Vec<Expr> = needed.iter().filter_map(|i| exprs.get(*i).cloned()).collect();
            let mut below = Columns::new();
            add_exprs(&exprs, &mut below);
            let input = columns(*input, &below);
            let exprs = exprs.into_iter().map(|e| input.expr(e)).collect();
            Pruned { rel: Rel::Project { input: Box::new(input.rel), exprs, schema }, place }
        }
        Rel::Filter { input, condition } => {
            let mut below = needed.clone();
            below.extend(condition.columns());
            let input = columns(*input, &below);
            let condition = input.expr(condition);
            let place = input.place;
            Pruned { rel: Rel::Filter { input: Box::new(input.rel), condition }, place }
        }
        Rel::Sort { input, keys, offset, limit } => {
            let mut below = needed.clone();
            below.extend(keys.iter().map(|k| k.column));
            let input = narrow(*input, &below);
            let keys = keys.into_iter().map(|k| SortKey { column: input.at(k.column), ..k });
            let keys = keys.collect();
            let place = input.place;
            Pruned { rel: Rel::Sort { input: Box::new(input.rel), keys, offset, limit }, place }
        }
        Rel::Aggregate { input, keys, calls, window, schema } => {
            let mut below: Columns = keys.iter().copied().collect();
            for call in &calls {
                below.extend(call.args.iter().chain(&call.filter));
            }
            if let Some((window, _)) = &window {
                below.extend(window.partition_by.iter().chain([&window.time_column]));
            }
            let input = narrow(*input, &below);
            let keys = keys.into_iter().map(|k| input.at(k)).collect();
            let calls = calls.into_iter().map(|c| moved_call(c, &input)).collect();
            let window = window.map(|(window, parts)| (moved_window(window, &input), parts));
            let input = Box::new(input.rel);
            Pruned::unchanged(Rel::Aggregate { input, keys, calls, window, schema })
        }
        Rel::Expand { input, projections, schema } => {
            let mut below = Columns::new();
            projections.iter().for_each(|row| add_exprs(row, &mut below));
            let input = columns(*input, &below);
            let moved = |row: Vec<Expr>| row.into_iter().map(|e| input.expr(e)).collect();
            let projections = projections.into_iter().map(moved).collect();
            Pruned::unchanged(Rel::Expand { input: Box::new(input.rel), projections, schema })
        }
        Rel::WindowTable { input, window, schema } => {
            let width = input.schema().len();
            let mut below: Columns = needed.range(..width).copied().collect();
            below.extend(window.partition_by.iter().chain([&window.time_column]));
            let mut stay = below.clone();
            stay.extend(width..schema.len());
            let place = places(schema.len(), &stay);
            let schema = kept(&schema, &stay);
            let input = narrow(*input, &below);
            let window = moved_window(window, &input);
            let rel = Rel::WindowTable { input: Box::new(input.rel), window, schema };
            Pruned { rel, place }
        }
        Rel::Over { input, groups, schema } => {
            let width = input.schema().len();
            let mut below: Columns = needed.range(..width).copied().collect();
            let mut read = |column: usize| {
                // The results of the groups before it.
                if column < width {
                    below.insert(column);
                }
            };
            for group in &groups {
                group.partition_by.iter().for_each(|c| read(*c));
                group.order_by.iter().for_each(|k| read(k.column));
                for (function, _) in &group.calls {
                    if let OverFunction::Aggregate(call) = function {
                        call.args.iter().chain(&call.filter).for_each(|c| read(*c));
                    }
                }
            }
            let mut stay = below.clone();
            stay.extend(width..schema.len());
            let place = places(schema.len(), &stay);
            let schema = kept(&schema, &stay);
            let input = Pruned { rel: exactly(*input, &below), place: place.clone() };
            let groups = groups.into_iter().map(|g| moved_group(g, &input)).collect();
            Pruned { rel: Rel::Over { input: Box::new(input.rel), groups, schema }, place }
        }
        Rel::Join { left, right, kind, condition, schema } => {
            let width = left.schema().len();
            let mut all = needed.clone();
            all.extend(condition.columns());
            let sides = Sides::new(*left, *right, &all);
            let condition = condition.map_columns(&|i| sides.at(i));
            let stay: Columns = match kind.left_only() {
                true => all.range(..width).copied().collect(),
                false => all,
            };
            let place = places(schema.len(), &stay);
            let schema = kept(&schema, &stay);
            let (left, right) = (Box::new(sides.left.rel), Box::new(sides.right.rel));
            Pruned { rel: Rel::Join { left, right, kind, condition, schema }, place }
        }
        Rel::TemporalJoin { left, right, kind, time_column, condition, schema } => {
            let width = left.schema().len();
            let mut all = needed.clone();
            all.extend(condition.columns());
            all.insert(time_column);
            // The key and the time of the versions are found by the translator.
            all.extend(width..schema.len());
            let left_columns: Columns = all.range(..width).copied().collect();
            let (left, right) = (narrow(*left, &left_columns), prune(*right));
            let narrowed = left.rel.schema().len();
            let at = |i: usize| if i < width { left.at(i) } else { narrowed + i - width };
            let condition = condition.map_columns(&at);
            let time_column = left.at(time_column);
            let place = places(schema.len(), &all);
            let schema = kept(&schema, &all);
            let (left, right) = (Box::new(left.rel), Box::new(right));
            let rel = Rel::TemporalJoin { left, right, kind, time_column, condition, schema };
            Pruned { rel, place }
        }
        Rel::LookupJoin { left, right, kind, condition, lookup, schema } => {
            let width = left.schema().len();
            // What is read of the answers is the translator's business.
            let mut all = needed.clone();
            all.extend(condition.columns());
            all.extend(width..schema.len());
            let left = narrow(*left, &all.range(..width).copied().collect());
            let narrowed = left.rel.schema().len();
            let at = |i: usize| if i < width { left.at(i) } else { narrowed + i - width };
            let condition = condition.map_columns(&at);
            let place = places(schema.len(), &all);
            let schema = kept(&schema, &all);
            let left = Box::new(left.rel);
            let rel = Rel::LookupJoin { left, right, kind, condition, lookup, schema };
            Pruned { rel, place }
        }
        Rel::StateTtl { input, ttl_ms } => {
            let input = columns(*input, needed);
            let place = input.place;
            Pruned { rel: Rel::StateTtl { input: Box::new(input.rel), ttl_ms }, place }
        }
        Rel::Unnest { input, expr, ordinality, outer, on, schema } => {
            let width = input.schema().len();
            let mut below: Columns = needed.range(..width).copied().collect();
            below.extend(expr.columns());
            below.extend(on.iter().flat_map(Expr::columns).filter(|i| *i < width));
            let mut stay = below.clone();
            stay.extend(width..schema.len());
            let place = places(schema.len(), &stay);
            let schema = kept(&schema, &stay);
            let input = narrow(*input, &below);
            let expr = input.expr(expr);
            let input = Box::new(input.rel);
            let at = |i: usize| place[i].unwrap_or(i);
            let on = on.into_iter().map(|c| c.map_columns(&at)).collect();
            Pruned { rel: Rel::Unnest { input, expr, ordinality, outer, on, schema }, place }
        }
        Rel::TableFunction { input, function, args, outer, schema } => {
            let width = input.schema().len();
            let mut below: Columns = needed.range(..width).copied().collect();
            add_exprs(&args, &mut below);
            let mut stay = below.clone();
            stay.extend(width..schema.len());
            let place = places(schema.len(), &stay);
            let schema = kept(&schema, &stay);
            let input = narrow(*input, &below);
            let args = args.into_iter().map(|a| input.expr(a)).collect();
            let input = Box::new(input.rel);
            Pruned { rel: Rel::TableFunction { input, function, args, outer, schema }, place }
        }
        Rel::SetOp { op: SetOp::Union, all: true, inputs, schema } => {
            let place = places(schema.len(), needed);
            let schema = kept(&schema, needed);
            let inputs = inputs.into_iter().map(|input| exactly(input, needed)).collect();
            Pruned { rel: Rel::SetOp { op: SetOp::Union, all: true, inputs, schema }, place }
        }
        Rel::SetOp { op, all, inputs, schema } => {
            let inputs = inputs.into_iter().map(prune).collect();
            Pruned::unchanged(Rel::SetOp { op, all, inputs, schema })
        }
    }
}

/// The two inputs of a join.
struct Sides {
    left: Pruned,
    right: Pruned,
    /// Columns of the left input as it was.
    width: usize,
}

impl Sides {
    fn new(left: Rel, right: Rel, needed: &Columns) -> Self {
        let width = left.schema().len();
        let of_right = needed.range(width..).map(|i| i - width).collect();
        let left = narrow(left, &needed.range(..width).copied().collect());
        Sides { left, right: narrow(right, &of_right), width }
    }
    fn at(&self, column: usize) -> usize {
        match column.checked_sub(self.width) {
            None => self.left.at(column),
            Some(of_right) => self.left.rel.schema().len() + self.right.at(of_right),
        }
    }
}

fn moved_call(call: AggregateCall, input: &Pruned) -> AggregateCall {
    AggregateCall {
        args: call.args.iter().map(|a| input.at(*a)).collect(),
        filter: call.filter.map(|f| input.at(f)),
        ..call
    }
}

fn moved_window(window: Window, input: &Pruned) -> Window {
    Window {
        time_column: input.at(window.time_column),
        partition_by: window.partition_by.iter().map(|c| input.at(*c)).collect(),
        ..window
    }
}

fn moved_group(group: OverGroup, input: &Pruned) -> OverGroup {
    let moved = |function| match function {
        OverFunction::Aggregate(call) => OverFunction::Aggregate(moved_call(call, input)),
        other => other,
    };
    OverGroup {
        partition_by: group.partition_by.iter().map(|c| input.at(*c)).collect(),
        order_by: group
            .order_by
            .into_iter()
            .map(|k| SortKey { column: input.at(k.column), ..k })
            .collect(),
        calls: group.calls.into_iter().map(|(function, ty)| (moved(function), ty)).collect(),
        ..group
    }
}
