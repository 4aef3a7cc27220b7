//! `GROUP BY`: keys, grouping sets, group windows, and what may be said over a group.
//!
//! Between [`select`](super::select), which finds aggregates in expressions, and the plan.
//! Invariant: over a group, an expression is of keys and aggregates only; columns of the
//! group are marked (`MARK`) until none of the input's is left.
//! Source: Flink's "Group Aggregation" page.

use super::Binder;
use super::aggregate::PendingAggregate;
use super::expr::{AGGREGATES, Cx, GROUPINGS, WINDOW_PARTS, is_virtual, virtual_index};
use super::query::unique_names;
use super::scope::Scope;
use super::window::{is_group_window, time_expression};
use crate::dialect::Span;
use crate::dialect::ast::{self, ExprKind, GroupItem, Ident, OrderItem, Select, WindowRef};
use crate::expr::{Expr, Node, widens_for_free};
use crate::plan::logical::{AggregateCall, Field, Rel, Schema, Window, WindowKind, WindowPart};
use crate::types::{SqlType, TypeKind};
use millstream_core::Result;

/// Most grouping sets of one query.
const MAX_GROUPING_SETS: usize = 4096;

/// The `GROUP BY` of a query, bound.
pub(super) struct Grouping {
    pub(super) keys: Vec<Expr>,
    /// Indices into `keys`; one set without GROUPING SETS.
    pub(super) sets: Vec<Vec<usize>>,
    /// A `TUMBLE(ts, ..)`: its name, the window, the time.
    pub(super) window: Option<(String, WindowKind, Expr)>,
}

/// What expressions of a grouped query refer to.
pub(super) struct GroupParts {
    pub(super) aggregates: Vec<PendingAggregate>,
    pub(super) groupings: Vec<Vec<Expr>>,
    pub(super) window_parts: Vec<(WindowPart, String, Vec<ast::Expr>)>,
}

/// Columns of the grouping's result, while those of its input are still about.
const MARK: usize = 1 << 40;

impl Binder<'_> {
    /// Whether a list, HAVING or ORDER BY calls an aggregate outside of OVER.
    pub(super) fn has_aggregate(&self, select: &Select, order_by: &[OrderItem]) -> bool {
        let mut exprs: Vec<&ast::Expr> = select.items.iter().map(|i| &i.expr).collect();
        exprs.extend(&select.having);
        exprs.extend(&select.qualify);
        exprs.extend(order_by.iter().map(|o| &o.expr));
        exprs.into_iter().any(|e| self.calls_aggregate(e))
    }

    pub(super) fn grouping(&self, select: &Select, scope: &Scope) -> Result<Option<Grouping>> {
        let Some(items) = &select.group_by else { return Ok(None) };
        let mut grouping = Grouping { keys: vec![], sets: vec![vec![]], window: None };
        for item in items {
            let choices = self.group_item(item, select, scope, &mut grouping)?;
            let mut sets = vec![];
            for set in &grouping.sets {
                for choice in &choices {
                    let mut both = set.clone();
                    both.extend(choice.iter().filter(|k| !set.contains(k)));
                    sets.push(both);
                }
            }
            if sets.len() > MAX_GROUPING_SETS {
                let what = format!("more than {MAX_GROUPING_SETS} grouping sets");
                return Err(self.fail(select.span, what).advice("list the sets that you need"));
            }
            grouping.sets = sets;
        }
        Ok(Some(grouping))
    }

    /// The sets of keys that an element of GROUP BY stands for.
    fn group_item(
        &self,
        item: &GroupItem,
        select: &Select,
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        Ok(match item {
            GroupItem::Expr(e) => {
                if let ExprKind::Call(call) = &e.kind
                    && is_group_window(call)
                {
                    let window = self.group_window(call, scope, e.span)?;
                    if grouping.window.replace(window).is_some() {
                        return Err(self
                            .fail(e.span, "GROUP BY has two windows")
                            .advice("keep one"));
                    }
                    return Ok(vec![vec![]]);
                }
                vec![vec![self.group_key(e, scope, grouping)?]]
            }
            GroupItem::Group(list) => vec![self.group_keys(list, scope, grouping)?],
            GroupItem::Rollup(list) => {
                let parts = self.group_parts(list, scope, grouping)?;
                (0..=parts.len()).rev().map(|n| parts[..n].concat()).collect()
            }
            GroupItem::Cube(list) => {
                let parts = self.group_parts(list, scope, grouping)?;
                if parts.len() > 12 {
                    return Err(self.fail(select.span, "CUBE takes up to 12 columns"));
                }
                let n = parts.len();
                let chosen = |mask: usize| -> Vec<usize> {
                    let picked = (0..n).filter(|i| mask >> (n - 1 - i) & 1 == 1);
                    picked.flat_map(|i| parts[i].clone()).collect()
                };
                (0..1usize << n).rev().map(chosen).collect()
            }
            GroupItem::Sets(items) => {
                let mut all = vec![];
                for item in items {
                    all.extend(self.group_item(item, select, scope, grouping)?);
                }
                all
            }
        })
    }

    fn group_keys(
        &self,
        list: &[ast::Expr],
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Result<Vec<usize>> {
        let mut keys = vec![];
        for e in list {
            keys.push(self.group_key(e, scope, grouping)?);
        }
        Ok(keys)
    }

    /// Keys of ROLLUP and CUBE; `(a, b)` counts as one.
    fn group_parts(
        &self,
        list: &[ast::Expr],
        scope: &Scope,
        grouping: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        list.iter()
            .map(|e| match &e.kind {
                ExprKind::Row(inner) => self.group_keys(inner, scope, grouping),
                _ => self.group_keys(std::slice::from_ref(e), scope, grouping),
            })
            .collect()
    }

    /// The index of a key.
    fn group_key(&self, e: &ast::Expr, scope: &Scope, grouping: &mut Grouping) -> Result<usize> {
        let mut cx = Cx::plain(scope, "GROUP BY");
        cx.outer = self.outer.as_ref();
        // Numbers are constants here, and aliases mean nothing: as in Flink.
        let bound = self.expr(e, &mut cx)?;
        if let Some(at) = grouping.keys.iter().position(|k| *k == bound) {
            return Ok(at);
        }
        grouping.keys.push(bound);
        Ok(grouping.keys.len() - 1)
    }

    /// After replacing keys and aggregates, no column of the input may be left.
    pub(super) fn check_grouped(&self, expr: Expr, scope: &Scope, span: Span) -> Result<Expr> {
        for i in expr.columns() {
            if i < MARK && !is_virtual(i) {
                let name = scope.columns.get(i).map_or("?", |c| c.name.as_str());
                let what = format!("expression '{name}' is not being grouped");
                return Err(self
                    .fail(span, what)
                    .advice("put it into GROUP BY, or into an aggregate function"));
            }
        }
        Ok(expr)
    }

    /// The plan of a grouping, and what stands for keys and aggregates over it.
    #[allow(clippy::type_complexity)]
    pub(super) fn grouped(
        &self,
        rel: Rel,
        scope: &Scope,
        grouping: Grouping,
        parts: GroupParts,
        span: Span,
    ) -> Result<(Rel, Box<dyn Fn(&Expr) -> Option<Expr>>)> {
        let Grouping { keys, sets, window } = grouping;
        let GroupParts { aggregates, groupings, window_parts } = parts;
        // The input of the aggregate: keys, arguments, filters, the time of the window.
        let mut input: Vec<Expr> = keys.clone();
        let mut names: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(i, k)| match k.node {
                Node::Column(c) if c < rel.schema().len() => rel.schema()[c].name.clone(),
                _ => format!("$key{i}"),
            })
            .collect();
        let mut column_of = |e: &Expr| -> usize {
            if let Some(at) = input.iter().skip(keys.len()).position(|x| x == e) {
                return keys.len() + at;
            }
            names.push(match e.node {
                Node::Column(c) if c < rel.schema().len() => rel.schema()[c].name.clone(),
                _ => format!("$arg{}", input.len()),
            });
            input.push(e.clone());
            input.len() - 1
        };
        let mut calls: Vec<AggregateCall> = vec![];
        for a in &aggregates {
            calls.push(AggregateCall {
                function: a.function.clone(),
                args: a.args.iter().map(&mut column_of).collect(),
                distinct: a.distinct,
                filter: a.filter.as_ref().map(&mut column_of),
                options: a.options.clone(),
                ty: a.ty.clone(),
            });
        }
        let window = match window {
            None => None,
            Some((name, kind, time)) => {
                if !matches!(time.node, Node::Column(_)) {
                    return Err(self.place(time_expression(), span));
                }
                Some((name, kind, column_of(&time)))
            }
        };
        if sets.len() > 1 && window.is_some() {
            return Err(self
                .fail(span, "GROUPING SETS with a group window are not supported")
                .advice("use a window table function: FROM TABLE(TUMBLE(...))"));
        }
        let width = input.len();
        let unique = unique_names(&names);
        let mut rel = Rel::project(rel, input, unique);
        let mut group_keys: Vec<usize> = (0..keys.len()).collect();
        let expanded = sets.len() > 1 || sets.first().is_some_and(|s| s.len() < keys.len());
        if expanded {
            rel = expand(rel, &sets, keys.len(), width);
            group_keys.push(width);
        }
        let mut schema: Schema = group_keys.iter().map(|k| rel.schema()[*k].clone()).collect();
        for field in &mut schema {
            // A plain grouping gives keys as they are; only windows keep time going.
            if window.is_some() {
                field.ty = field.ty.clone().computed();
            }
        }
        let key_types: Vec<SqlType> = schema.iter().map(|f| f.ty.clone()).collect();
        for (i, c) in calls.iter().enumerate() {
            schema.push(Field { name: format!("$agg{i}"), ty: c.ty.clone() });
        }
        let mut window_columns = vec![];
        let window = match window {
            None => {
                if let Some((_, name, _)) = window_parts.first() {
                    let what = format!("{name}_START and the like need GROUP BY {name}(...)");
                    return Err(self.fail(span, what).advice("group by the same window"));
                }
                None
            }
            Some((name, kind, time_column)) => {
                for (part, of, args) in &window_parts {
                    let call = ast::Call {
                        name: ast::ObjectName(vec![Ident { value: of.clone(), span }]),
                        args: args.clone(),
                        distinct: false,
                        order_by: vec![],
                        filter: None,
                        over: None,
                        ignore_nulls: None,
                        clauses: vec![],
                        parentheses: true,
                    };
                    let (of, same, _) = self.group_window(&call, scope, span)?;
                    if of != name || same != kind {
                        let what = format!("{of}_{part:?} is of another window than GROUP BY");
                        return Err(self
                            .fail(span, what.to_uppercase())
                            .advice("write the same arguments"));
                    }
                }
                let ltz = matches!(rel.schema()[time_column].ty.kind, TypeKind::TimestampLtz(_));
                let parts = vec![WindowPart::Start, WindowPart::End, WindowPart::Time];
                for part in &parts {
                    window_columns.push(schema.len());
                    let (name, ty) = window_field(*part, ltz);
                    schema.push(Field { name, ty });
                }
                Some((Window { kind, time_column, partition_by: vec![] }, parts))
            }
        };
        let at_aggregates = group_keys.len();
        let rel = Rel::Aggregate {
            input: Box::new(rel),
            keys: group_keys,
            calls,
            window,
            schema: schema.clone(),
        };
        // GROUPING_ID(a, b): bits from the number of the set.
        let mut grouping_exprs = vec![];
        for args in &groupings {
            grouping_exprs.push(self.grouping_id(args, &keys, &sets, span)?);
        }
        let agg_types: Vec<SqlType> = aggregates.iter().map(|a| a.ty.clone()).collect();
        let rewrite = move |e: &Expr| -> Option<Expr> {
            if let Some(at) = keys.iter().position(|k| k == e) {
                return Some(Expr::column(MARK + at, key_types[at].clone()));
            }
            // An argument may be a key in a wider type that needs no cast.
            let wider = |k: &Expr| k.node == e.node && widens_for_free(&k.ty, &e.ty);
            if let Some(at) = keys.iter().position(wider) {
                let nullable = key_types[at].nullable;
                return Some(Expr::column(MARK + at, e.ty.clone().with_nullable(nullable)));
            }
            let Node::Column(i) = e.node else { return None };
            if let Some(a) = virtual_index(i, AGGREGATES) {
                return Some(Expr::column(MARK + at_aggregates + a, agg_types[a].clone()));
            }
            if let Some(g) = virtual_index(i, GROUPINGS) {
                return grouping_exprs.get(g).cloned();
            }
            let part = window_parts.get(virtual_index(i, WINDOW_PARTS)?)?.0;
            let offset = match part {
                WindowPart::Start => 0,
                WindowPart::End => 1,
                WindowPart::Time => 2,
            };
            let column = *window_columns.get(offset)?;
            Some(Expr::column(MARK + column, schema[column].ty.clone()))
        };
        Ok((rel, Box::new(rewrite)))
    }

    /// `GROUPING_ID(a, b)` as a CASE over the number of the grouping set.
    fn grouping_id(
        &self,
        args: &[Expr],
        keys: &[Expr],
        sets: &[Vec<usize>],
        span: Span,
    ) -> Result<Expr> {
        let mut columns = vec![];
        for a in args {
            let Some(at) = keys.iter().position(|k| k == a) else {
                return Err(self.fail(span, "an argument of GROUPING is not in GROUP BY"));
            };
            columns.push(at);
        }
        let bits = |set: &Vec<usize>| {
            columns.iter().fold(0i64, |bits, c| bits << 1 | i64::from(!set.contains(c)))
        };
        if sets.len() == 1 && sets[0].len() == keys.len() {
            return Ok(Expr::bigint(0));
        }
        let id = Expr::column(MARK + keys.len(), SqlType::bigint().not_null());
        let mut branches = vec![];
        for (n, set) in sets.iter().enumerate() {
            let is = self.registry.call("=", vec![id.clone(), Expr::bigint(n as i64)])?;
            branches.push((is, Expr::bigint(bits(set))));
        }
        Expr::case(branches, Some(Expr::bigint(0)))
    }

    /// Whether an expression calls an aggregate outside of OVER and of subqueries.
    fn calls_aggregate(&self, e: &ast::Expr) -> bool {
        let any = |list: &[ast::Expr]| list.iter().any(|e| self.calls_aggregate(e));
        match &e.kind {
            ExprKind::Call(call) => {
                let own = call.over.is_none() && self.calls_an_aggregate(call);
                let in_over = match &call.over {
                    Some(WindowRef::Spec(spec)) => {
                        any(&spec.partition_by)
                            || spec.order_by.iter().any(|o| self.calls_aggregate(&o.expr))
                    }
                    _ => false,
                };
                own || in_over || any(&call.args)
            }
            ExprKind::Unary(_, a)
            | ExprKind::Cast { expr: a, .. }
            | ExprKind::Is { expr: a, .. } => self.calls_aggregate(a),
            ExprKind::Field(a, _) => self.calls_aggregate(a),
            ExprKind::BinaryOp(a, _, b) | ExprKind::Index(a, b) => {
                self.calls_aggregate(a) || self.calls_aggregate(b)
            }
            ExprKind::DistinctFrom { left, right, .. } => {
                self.calls_aggregate(left) || self.calls_aggregate(right)
            }
            ExprKind::And(l)
            | ExprKind::Or(l)
            | ExprKind::Row(l)
            | ExprKind::Array(l)
            | ExprKind::Map(l) => any(l),
            ExprKind::Between { expr, low, high, .. } => {
                self.calls_aggregate(expr)
                    || self.calls_aggregate(low)
                    || self.calls_aggregate(high)
            }
            ExprKind::InList { expr, list, .. } => self.calls_aggregate(expr) || any(list),
            ExprKind::Like { expr, pattern, .. } => {
                self.calls_aggregate(expr) || self.calls_aggregate(pattern)
            }
            ExprKind::Case { operand, branches, otherwise } => {
                operand.iter().chain(otherwise).any(|e| self.calls_aggregate(e))
                    || branches
                        .iter()
                        .any(|(w, t)| self.calls_aggregate(w) || self.calls_aggregate(t))
            }
            _ => false,
        }
    }
}

pub(super) fn unmark(expr: &mut Expr) {
    let owned = std::mem::replace(expr, Expr::boolean(false));
    *expr = owned.map_columns(&|i| if i >= MARK { i - MARK } else { i });
}

/// Name and type of a part of a window.
fn window_field(part: WindowPart, ltz: bool) -> (String, SqlType) {
    let stamp = SqlType::timestamp(3);
    match part {
        WindowPart::Start => ("w$start".into(), stamp.not_null()),
        WindowPart::End => ("w$end".into(), stamp.not_null()),
        WindowPart::Time => {
            let ty = if ltz { SqlType::timestamp_ltz(3) } else { stamp };
            ("w$rowtime".into(), ty.with_attribute(crate::types::TimeAttribute::Rowtime))
        }
    }
}

/// Each row once for each set, with NULL in the keys that are not in it, and its number.
fn expand(rel: Rel, sets: &[Vec<usize>], keys: usize, width: usize) -> Rel {
    let mut schema = rel.schema().clone();
    for (i, field) in schema.iter_mut().enumerate().take(keys) {
        let everywhere = sets.iter().all(|s| s.contains(&i));
        if !everywhere {
            field.ty.nullable = true;
            field.ty = field.ty.clone().computed();
        }
    }
    let projections = sets
        .iter()
        .enumerate()
        .map(|(n, set)| {
            let mut row: Vec<Expr> = (0..width)
                .map(|i| match i < keys && !set.contains(&i) {
                    true => Expr::null(schema[i].ty.clone()),
                    false => Expr::column(i, schema[i].ty.clone()),
                })
                .collect();
            row.push(Expr::bigint(n as i64));
            row
        })
        .collect();
    schema.push(Field { name: "$e".into(), ty: SqlType::bigint().not_null() });
    Rel::Expand { input: Box::new(rel), projections, schema }
}
