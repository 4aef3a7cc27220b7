//! Queries: `SELECT` with grouping and windows, set operations, `VALUES`, order and limit.
//!
//! ```text
//!   FROM ─ WHERE ─ subqueries ─ GROUP BY ─ HAVING ─ OVER ─ QUALIFY ─ SELECT ─ DISTINCT ─ ORDER BY
//! ```

use super::Binder;
use super::aggregate::PendingAggregate;
use super::expr::{
    AGGREGATES, Cx, GROUPINGS, OUTER, OVERS, SCALARS, WINDOW_PARTS, is_virtual, replace_parts,
    virtual_index,
};
use super::from::push_filter;
use super::over::{PendingFunction, PendingOver};
use super::scope::Scope;
use super::subquery::{ScalarQuery, as_subquery, written_conjuncts};
use super::window::{is_group_window, time_expression};
use crate::coercion::common_type;
use crate::dialect::Span;
use crate::dialect::ast::{
    self, ExprKind, GroupItem, Ident, OrderItem, Query, Select, SelectItem, SetExpr, SetOp,
    WindowRef, WindowSpec,
};
use crate::expr::{EvalContext, Expr, Node, fold};
use crate::plan::condition::conjuncts;
use crate::plan::logical::{
    AggregateCall, Field, OverFunction, OverGroup, Rel, Schema, SortKey, Window, WindowKind,
    WindowPart,
};
use crate::types::{SqlType, TypeKind};
use crate::value::Value;
use millstream_core::{Error, Result};
use std::collections::BTreeMap;

/// Most grouping sets of one query.
const MAX_GROUPING_SETS: usize = 4096;

/// The `GROUP BY` of a query, bound.
struct Grouping {
    keys: Vec<Expr>,
    /// Indices into `keys`; one set without GROUPING SETS.
    sets: Vec<Vec<usize>>,
    /// A `TUMBLE(ts, ..)`: its name, the window, the time.
    window: Option<(String, WindowKind, Expr)>,
}

impl Binder<'_> {
    pub(super) fn bind_query(&self, query: &Query) -> Result<Rel> {
        let inner = self.with_ctes(&query.with);
        let rel = match &query.body {
            SetExpr::Select(select) => {
                return inner.select(select, &query.order_by, query);
            }
            body => inner.set_expr(body)?,
        };
        let mut keys = vec![];
        let scope = Scope::of_table(&[], rel.schema());
        for item in &query.order_by {
            let column = match ordinal(&item.expr, rel.schema().len()) {
                Some(index) => index.map_err(|e| inner.place(e, item.expr.span))?,
                None => {
                    let mut cx = Cx::plain(&scope, "ORDER BY");
                    match inner.expr(&item.expr, &mut cx)?.node {
                        Node::Column(i) => i,
                        _ => {
                            return Err(inner
                                .fail(item.expr.span, "ORDER BY takes columns here")
                                .advice("wrap the query: SELECT * FROM (...) ORDER BY ..."));
                        }
                    }
                }
            };
            keys.push(sort_key(item, column));
        }
        inner.sorted(rel, keys, query)
    }

    /// With order, offset and limit, when there are any.
    fn sorted(&self, rel: Rel, keys: Vec<SortKey>, query: &Query) -> Result<Rel> {
        let count = |e: &ast::Expr, what: &str| -> Result<u64> {
            let scope = Scope::default();
            let mut cx = Cx::plain(&scope, "LIMIT");
            let bound = fold(self.expr(e, &mut cx)?, &EvalContext::utc())?;
            match bound.as_literal() {
                Some(Value::Int(n)) if *n >= 0 => Ok(*n as u64),
                _ => Err(self.fail(e.span, format!("{what} must be a whole number of 0 or more"))),
            }
        };
        let limit = query.limit.as_ref().map(|e| count(e, "LIMIT")).transpose()?;
        let offset = query.offset.as_ref().map(|e| count(e, "OFFSET")).transpose()?.unwrap_or(0);
        if keys.is_empty() && limit.is_none() && offset == 0 {
            return Ok(rel);
        }
        Ok(Rel::Sort { input: Box::new(rel), keys, offset, limit })
    }

    fn set_expr(&self, body: &SetExpr) -> Result<Rel> {
        match body {
            SetExpr::Select(select) => {
                let query = Query {
                    with: vec![],
                    body: SetExpr::Values { rows: vec![], span: select.span },
                    order_by: vec![],
                    offset: None,
                    limit: None,
                    span: select.span,
                };
                self.select(select, &[], &query)
            }
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values { rows, span } => self.values(rows, *span),
            SetExpr::Table(name) => {
                let table = ast::TableRef::Table {
                    name: name.clone(),
                    hints: vec![],
                    as_of: None,
                    alias: None,
                };
                Ok(self.from(&table)?.0)
            }
            SetExpr::SetOp { op, all, left, right, span } => {
                // Chains are as deep as they are long: unroll the left side.
                let mut operands = vec![(*op, *all, right, *span)];
                let mut first = &**left;
                while let SetExpr::SetOp { op, all, left, right, span } = first {
                    operands.push((*op, *all, right, *span));
                    first = left;
                }
                let mut rel = self.set_expr(first)?;
                for (op, all, right, span) in operands.into_iter().rev() {
                    let right = self.set_expr(right)?;
                    rel = self.set_op(op, all, rel, right, span)?;
                }
                Ok(rel)
            }
        }
    }

    fn set_op(&self, op: SetOp, all: bool, left: Rel, right: Rel, span: Span) -> Result<Rel> {
        let name = if all { format!("{} ALL", op.text()) } else { op.text().to_owned() };
        if left.schema().len() != right.schema().len() {
            let what = format!(
                "column count mismatch in {name}: {} and {}",
                left.schema().len(),
                right.schema().len()
            );
            return Err(self.fail(span, what).advice("select as many columns on both sides"));
        }
        let mut schema: Schema = vec![];
        for (i, (l, r)) in left.schema().iter().zip(right.schema()).enumerate() {
            let Some(ty) = common_type([&l.ty, &r.ty]) else {
                let what =
                    format!("type mismatch in column {} of {name}: {} and {}", i + 1, l.ty, r.ty);
                return Err(self.fail(span, what).advice("cast one of the two"));
            };
            let keeps_time = op == SetOp::Union && all;
            let ty = if keeps_time { ty } else { ty.computed() };
            schema.push(Field { name: l.name.clone(), ty });
        }
        let left = converted(left, &schema)?;
        let right = converted(right, &schema)?;
        let inputs = match left {
            Rel::SetOp { op: SetOp::Union, all: true, mut inputs, schema: of_left }
                if op == SetOp::Union && all && of_left == schema =>
            {
                inputs.push(right);
                inputs
            }
            left => vec![left, right],
        };
        // UNION is UNION ALL without duplicates.
        if op == SetOp::Union && !all {
            let union = Rel::SetOp { op, all: true, inputs, schema };
            return Ok(distinct(union));
        }
        Ok(Rel::SetOp { op, all, inputs, schema })
    }

    fn values(&self, rows: &[Vec<ast::Expr>], span: Span) -> Result<Rel> {
        let scope = Scope::default();
        let mut bound: Vec<Vec<Expr>> = vec![];
        for row in rows {
            let mut cx = Cx::plain(&scope, "VALUES");
            cx.outer = self.outer.as_ref();
            bound.push(row.iter().map(|e| self.expr(e, &mut cx)).collect::<Result<_>>()?);
        }
        let width = bound.first().map_or(0, Vec::len);
        if bound.iter().any(|r| r.len() != width) {
            return Err(self.fail(span, "rows of VALUES have different numbers of columns"));
        }
        let mut schema: Schema = vec![];
        for i in 0..width {
            let Some(ty) = common_type(bound.iter().map(|r| &r[i].ty)) else {
                let what = format!("values of column {} of VALUES have no common type", i + 1);
                return Err(self.fail(span, what).advice("cast some of them"));
            };
            schema.push(Field { name: format!("EXPR${i}"), ty });
        }
        for row in &mut bound {
            for (e, field) in row.iter_mut().zip(&schema) {
                let owned = std::mem::replace(e, Expr::boolean(false));
                *e = convert(owned, &field.ty)?;
            }
        }
        Ok(Rel::Values { rows: bound, schema })
    }

    fn select(&self, select: &Select, order_by: &[OrderItem], query: &Query) -> Result<Rel> {
        let hints = self.query_hints(&select.hints)?;
        let (mut rel, scope) = match &select.from {
            Some(table) => self.hinted(&hints).from(table)?,
            None => (Rel::Values { rows: vec![vec![]], schema: vec![] }, Scope::default()),
        };
        let joins = matches!(select.from, Some(ast::TableRef::Join { .. }));
        if joins || select.group_by.is_some() || self.has_aggregate(select, order_by) {
            self.hints_were_found(&hints)?;
        }
        if let Some(filter) = &select.filter {
            rel = self.filter(rel, &scope, filter)?;
        }
        let grouping = self.grouping(select, &scope)?;
        let grouped = grouping.is_some() || self.has_aggregate(select, order_by);
        let windows: Vec<(Ident, WindowSpec)> = select.windows.clone();
        let mut cx = Cx::plain(&scope, "");
        cx.outer = self.outer.as_ref();
        cx.windows = &windows;
        cx.no_aggregates = None;
        cx.no_overs = None;
        cx.takes_scalars = true;
        if grouped {
            cx.group_count = Some(
                grouping.as_ref().map_or(0, |g| g.keys.len() + usize::from(g.window.is_some())),
            );
        }
        let (mut exprs, mut names, mut spans) = (vec![], vec![], vec![]);
        for item in &select.items {
            self.select_item(item, &scope, &mut cx, &mut exprs, &mut names)?;
            spans.resize(exprs.len(), item.expr.span);
        }
        let selected = exprs.len();
        let mut having =
            select.having.as_ref().map(|h| self.condition(h, &mut cx, "HAVING")).transpose()?;
        cx.aliases = &select.items;
        let mut qualify =
            select.qualify.as_ref().map(|q| self.condition(q, &mut cx, "QUALIFY")).transpose()?;
        cx.aliases = &[];
        // Order by: a number or alias of the list, or an expression of its own.
        let mut keys = vec![];
        for item in order_by {
            let column = match ordinal(&item.expr, selected) {
                Some(index) => index.map_err(|e| self.place(e, item.expr.span))?,
                None => self.order_column(item, &select.items, &mut cx, &mut exprs, selected)?,
            };
            if spans.len() < exprs.len() {
                spans.push(item.expr.span);
                names.push(format!("$sort{}", exprs.len()));
            }
            keys.push(sort_key(item, column));
        }
        if select.having.is_some() && !grouped {
            return Err(self
                .fail(select.span, "HAVING needs GROUP BY or an aggregate")
                .advice("use WHERE"));
        }
        let mut overs = std::mem::take(&mut cx.overs);
        let mut aggregates = std::mem::take(&mut cx.aggregates);
        // Scalar subqueries become columns behind those of FROM; in a grouped query only those
        // that aggregates read, and all others behind those of the groups.
        let mut late: Vec<(usize, ScalarQuery)> = vec![];
        let mut early = vec![usize::MAX; cx.scalars.len()];
        for (i, scalar) in std::mem::take(&mut cx.scalars).into_iter().enumerate() {
            let reads = |e: &Expr| e.columns().contains(&(SCALARS + i));
            if grouped && !aggregates.iter().flat_map(|a| a.args.iter().chain(&a.filter)).any(reads)
            {
                late.push((i, scalar));
                continue;
            }
            (rel, early[i]) = scalar.join(rel, self.registry)?;
        }
        let place_early = |e: Expr| {
            e.map_columns(&|i| match virtual_index(i, SCALARS).map(|s| early[s]) {
                Some(column) if column != usize::MAX => column,
                _ => i,
            })
        };
        exprs = exprs.into_iter().map(&place_early).collect();
        having = having.map(&place_early);
        qualify = qualify.map(&place_early);
        let parts = overs.iter_mut().flat_map(PendingOver::exprs_mut);
        let of_calls = aggregates.iter_mut().flat_map(|a| a.args.iter_mut().chain(&mut a.filter));
        for e in parts.chain(of_calls) {
            let owned = std::mem::replace(e, Expr::boolean(false));
            *e = place_early(owned);
        }
        if grouped {
            let grouping =
                grouping.unwrap_or(Grouping { keys: vec![], sets: vec![vec![]], window: None });
            let parts = GroupParts {
                aggregates,
                groupings: std::mem::take(&mut cx.groupings),
                window_parts: std::mem::take(&mut cx.window_parts),
            };
            let (grouped_rel, rewrite) = self.grouped(rel, &scope, grouping, parts, select.span)?;
            rel = grouped_rel;
            let check = |e: Expr, span: Span| -> Result<Expr> {
                let e = replace_parts(e, &|part| rewrite(part));
                self.check_grouped(e, &scope, span)
            };
            exprs = exprs
                .into_iter()
                .zip(&spans)
                .map(|(e, span)| check(e, *span))
                .collect::<Result<_>>()?;
            let span_of = |e: &Option<ast::Expr>| e.as_ref().map_or(select.span, |e| e.span);
            having = having.map(|e| check(e, span_of(&select.having))).transpose()?;
            qualify = qualify.map(|e| check(e, span_of(&select.qualify))).transpose()?;
            for e in overs.iter_mut().flat_map(PendingOver::exprs_mut) {
                let owned = std::mem::replace(e, Expr::boolean(false));
                *e = check(owned, select.span)?;
            }
            exprs.iter_mut().for_each(unmark);
            overs.iter_mut().flat_map(PendingOver::exprs_mut).for_each(unmark);
            having.iter_mut().for_each(unmark);
            qualify.iter_mut().for_each(unmark);
            let mut columns = BTreeMap::new();
            for (i, mut scalar) in late {
                for (outer, _) in &mut scalar.equal {
                    let owned = std::mem::replace(outer, Expr::boolean(false));
                    let owned = owned.map_columns(&|i| virtual_index(i, OUTER).unwrap_or(i));
                    *outer = check(owned, select.span)?;
                    unmark(outer);
                }
                let column;
                (rel, column) = scalar.join(rel, self.registry)?;
                columns.insert(i, column);
            }
            let place_late = |e: Expr| {
                e.map_columns(&|i| {
                    virtual_index(i, SCALARS).and_then(|s| columns.get(&s).copied()).unwrap_or(i)
                })
            };
            exprs = exprs.into_iter().map(&place_late).collect();
            having = having.map(&place_late);
            qualify = qualify.map(&place_late);
            for e in overs.iter_mut().flat_map(PendingOver::exprs_mut) {
                let owned = std::mem::replace(e, Expr::boolean(false));
                *e = place_late(owned);
            }
        } else if let Some((part, window, _)) = cx.window_parts.first() {
            let what = format!("{window}_{part:?} needs GROUP BY {window}(...)").to_uppercase();
            return Err(self.fail(select.span, what).advice("group by the same window"));
        } else if !cx.groupings.is_empty() {
            return Err(self.fail(select.span, "GROUPING needs GROUP BY"));
        }
        if let Some(having) = having {
            rel = rel.filtered(conjuncts(having));
        }
        if !overs.is_empty() {
            let base = rel.schema().len();
            let (with_overs, columns) = over_rel(rel, overs);
            rel = with_overs;
            let place = |e: Expr| {
                e.map_columns(&|i| virtual_index(i, OVERS).map_or(i, |o| base + columns[o]))
            };
            exprs = exprs.into_iter().map(place).collect();
            qualify = qualify.map(place);
        }
        if let Some(qualify) = qualify {
            rel = rel.filtered(conjuncts(qualify));
        }
        let hidden = exprs.len() > selected;
        if select.distinct && hidden {
            return Err(self
                .fail(select.span, "ORDER BY of SELECT DISTINCT takes selected columns")
                .advice("select the column too"));
        }
        let unique = unique_names(&names);
        rel = Rel::project(rel, exprs, unique.clone());
        if select.distinct {
            rel = distinct(rel);
        }
        rel = self.sorted(rel, keys, query)?;
        if hidden {
            let mut columns = rel.columns();
            columns.truncate(selected);
            rel = Rel::project(rel, columns, unique[..selected].to_vec());
        }
        Ok(rel)
    }

    fn order_column(
        &self,
        item: &OrderItem,
        items: &[SelectItem],
        cx: &mut Cx<'_>,
        exprs: &mut Vec<Expr>,
        selected: usize,
    ) -> Result<usize> {
        if let ExprKind::Name(parts) = &item.expr.kind
            && let [only] = parts.as_slice()
        {
            let named = |i: &SelectItem| i.alias.as_ref().is_some_and(|a| a.value == only.value);
            let plain = items.iter().all(|i| !matches!(i.expr.kind, ExprKind::Star(_)));
            if let Some(at) = items.iter().position(named)
                && plain
            {
                return Ok(at);
            }
            if let Some(alias) = items.iter().find(|i| named(i)) {
                let bound = self.expr(&alias.expr, cx)?;
                if let Some(at) = exprs.iter().position(|e| *e == bound) {
                    return Ok(at);
                }
            }
        }
        let bound = self.expr(&item.expr, cx)?;
        if let Some(at) = exprs[..selected].iter().position(|e| *e == bound) {
            return Ok(at);
        }
        exprs.push(bound);
        Ok(exprs.len() - 1)
    }

    /// `WHERE`: subqueries become joins, the rest goes where it belongs.
    fn filter(&self, rel: Rel, scope: &Scope, filter: &ast::Expr) -> Result<Rel> {
        let mut plain = vec![];
        let mut subqueries = vec![];
        for conjunct in written_conjuncts(filter) {
            match as_subquery(conjunct) {
                Some(found) => subqueries.push(found),
                None => plain.push(conjunct),
            }
        }
        let mut cx = Cx::plain(scope, "WHERE");
        cx.outer = self.outer.as_ref();
        cx.takes_scalars = true;
        let mut conditions = vec![];
        for conjunct in plain {
            conditions.extend(conjuncts(self.condition(conjunct, &mut cx, "WHERE")?));
        }
        let scalars = std::mem::take(&mut cx.scalars);
        let (with_scalars, without): (Vec<Expr>, Vec<Expr>) = conditions
            .into_iter()
            .partition(|c| c.columns().iter().any(|i| virtual_index(*i, SCALARS).is_some()));
        let mut rel = push_filter(rel, without);
        if !scalars.is_empty() {
            let base = rel.schema().len();
            let names: Vec<String> = rel.schema().iter().map(|f| f.name.clone()).collect();
            let mut at = vec![];
            for scalar in scalars {
                let (joined, column) = scalar.join(rel, self.registry)?;
                rel = joined;
                at.push(column);
            }
            let placed = with_scalars
                .into_iter()
                .map(|c| c.map_columns(&|i| virtual_index(i, SCALARS).map_or(i, |s| at[s])));
            rel = rel.filtered(placed.collect());
            let mut columns = rel.columns();
            columns.truncate(base);
            rel = Rel::project(rel, columns, names);
        }
        for (condition, negated) in subqueries {
            rel = self.subquery_join(rel, scope, condition, negated)?;
        }
        Ok(rel)
    }

    fn select_item(
        &self,
        item: &SelectItem,
        scope: &Scope,
        cx: &mut Cx<'_>,
        exprs: &mut Vec<Expr>,
        names: &mut Vec<String>,
    ) -> Result<()> {
        if let ExprKind::Star(table) = &item.expr.kind {
            // `column.*`: the fields of a ROW.
            if !table.is_empty()
                && scope.columns_of(table).is_none()
                && scope.find(table)?.is_some()
            {
                let name = ast::Expr { kind: ExprKind::Name(table.clone()), span: item.expr.span };
                let row = self.expr(&name, cx)?;
                if let TypeKind::Row(fields) = &row.ty.kind {
                    names.extend(fields.iter().map(|f| f.name.clone()));
                    exprs.extend((0..fields.len()).filter_map(|i| row.clone().field(i)));
                    return Ok(());
                }
            }
            let columns: Vec<usize> = if table.is_empty() {
                scope.star()
            } else {
                scope.columns_of(table).ok_or_else(|| {
                    let mut parts = table.clone();
                    parts.push(Ident { value: "*".into(), span: item.expr.span });
                    self.place(scope.unknown(&parts), item.expr.span)
                })?
            };
            if columns.is_empty() {
                return Err(self.fail(item.expr.span, "'*' needs a FROM").advice("name a table"));
            }
            for i in columns {
                let column = &scope.columns[i];
                exprs.push(Expr::column(i, column.ty.clone()));
                names.push(column.name.clone());
            }
            return Ok(());
        }
        let expr = self.expr(&item.expr, cx)?;
        names.push(match (&item.alias, &item.expr.kind) {
            (Some(alias), _) => alias.value.clone(),
            (None, ExprKind::Name(parts)) => {
                parts.last().map_or_else(String::new, |p| p.value.clone())
            }
            _ => format!("EXPR${}", names.len()),
        });
        exprs.push(expr);
        Ok(())
    }

    /// Whether a list, HAVING or ORDER BY calls an aggregate outside of OVER.
    fn has_aggregate(&self, select: &Select, order_by: &[OrderItem]) -> bool {
        let mut exprs: Vec<&ast::Expr> = select.items.iter().map(|i| &i.expr).collect();
        exprs.extend(&select.having);
        exprs.extend(&select.qualify);
        exprs.extend(order_by.iter().map(|o| &o.expr));
        exprs.into_iter().any(|e| self.calls_aggregate(e))
    }

    fn grouping(&self, select: &Select, scope: &Scope) -> Result<Option<Grouping>> {
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
    fn check_grouped(&self, expr: Expr, scope: &Scope, span: Span) -> Result<Expr> {
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
    fn grouped(
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
}

/// What expressions of a grouped query refer to.
struct GroupParts {
    aggregates: Vec<PendingAggregate>,
    groupings: Vec<Vec<Expr>>,
    window_parts: Vec<(WindowPart, String, Vec<ast::Expr>)>,
}

/// Columns of the grouping's result, while those of its input are still about.
const MARK: usize = 1 << 40;

fn unmark(expr: &mut Expr) {
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

/// The input with the columns that windows need, then the columns of the functions: which
/// of those is of which function.
fn over_rel(rel: Rel, overs: Vec<PendingOver>) -> (Rel, Vec<usize>) {
    let base = rel.schema().len();
    let mut exprs = rel.columns();
    let mut names: Vec<String> = rel.schema().iter().map(|f| f.name.clone()).collect();
    let mut column_of = |e: &Expr| -> usize {
        if let Some(at) = exprs.iter().position(|x| x == e) {
            return at;
        }
        names.push(format!("$over{}", exprs.len()));
        exprs.push(e.clone());
        exprs.len() - 1
    };
    let mut groups: Vec<OverGroup> = vec![];
    let mut places = vec![];
    for over in &overs {
        let partition_by: Vec<usize> =
            over.window.partition_by.iter().map(&mut column_of).collect();
        let order_by: Vec<SortKey> = over
            .window
            .order_by
            .iter()
            .map(|k| SortKey {
                column: column_of(&k.expr),
                ascending: k.ascending,
                nulls_first: k.nulls_first,
            })
            .collect();
        let function = match &over.function {
            PendingFunction::RowNumber => OverFunction::RowNumber,
            PendingFunction::Rank => OverFunction::Rank,
            PendingFunction::DenseRank => OverFunction::DenseRank,
            PendingFunction::Aggregate(a) => OverFunction::Aggregate(AggregateCall {
                function: a.function.clone(),
                args: a.args.iter().map(&mut column_of).collect(),
                distinct: a.distinct,
                filter: a.filter.as_ref().map(&mut column_of),
                options: a.options.clone(),
                ty: a.ty.clone(),
            }),
        };
        let (rows, start) = (over.window.rows, over.window.start);
        let same = |g: &OverGroup| {
            g.partition_by == partition_by
                && g.order_by == order_by
                && g.rows == rows
                && g.start == start
        };
        let at = match groups.iter().position(same) {
            Some(at) => at,
            None => {
                let calls = vec![];
                groups.push(OverGroup { partition_by, order_by, rows, start, calls });
                groups.len() - 1
            }
        };
        groups[at].calls.push((function, over.ty.clone()));
        places.push((at, groups[at].calls.len() - 1));
    }
    let width = exprs.len();
    let input = if width > base { Rel::project(rel, exprs, names) } else { rel };
    let mut schema = input.schema().clone();
    let mut starts = vec![];
    for group in &groups {
        starts.push(schema.len());
        for (_, ty) in &group.calls {
            schema.push(Field { name: format!("w{}", schema.len()), ty: ty.clone() });
        }
    }
    let columns = places.iter().map(|(g, c)| starts[*g] + c - base).collect();
    (Rel::Over { input: Box::new(input), groups, schema }, columns)
}

/// The same rows without duplicates.
fn distinct(rel: Rel) -> Rel {
    let schema: Schema =
        rel.schema().iter().map(|f| Field { name: f.name.clone(), ty: f.ty.clone() }).collect();
    let keys = (0..schema.len()).collect();
    Rel::Aggregate { input: Box::new(rel), keys, calls: vec![], window: None, schema }
}

/// `e` as a value of type `ty`.
pub(super) fn convert(e: Expr, ty: &SqlType) -> Result<Expr> {
    if e.ty.same_shape(ty) && e.ty.kind == ty.kind {
        return Ok(e);
    }
    e.cast(ty.clone(), false)
}

/// Rows with the types of `schema`.
fn converted(rel: Rel, schema: &Schema) -> Result<Rel> {
    let same = rel.schema().iter().zip(schema).all(|(a, b)| a.ty.kind == b.ty.kind);
    if same {
        return Ok(rel);
    }
    let exprs = rel
        .columns()
        .into_iter()
        .zip(schema)
        .map(|(e, f)| convert(e, &f.ty))
        .collect::<Result<Vec<_>>>()?;
    let names = schema.iter().map(|f| f.name.clone()).collect();
    Ok(Rel::project(rel, exprs, names))
}

/// A number that means a column of the list.
fn ordinal(e: &ast::Expr, columns: usize) -> Option<Result<usize>> {
    let ExprKind::Number(n) = &e.kind else { return None };
    let number: usize = n.parse().ok()?;
    Some(match number.checked_sub(1) {
        Some(index) if index < columns => Ok(index),
        _ => Err(Error::config(format!("ordinal {number} is out of range"))
            .advice(format!("the list has {columns} columns"))),
    })
}

fn sort_key(item: &OrderItem, column: usize) -> SortKey {
    SortKey {
        column,
        ascending: item.ascending,
        nulls_first: item.nulls_first.unwrap_or(item.ascending),
    }
}

/// Names as a result needs them: a second `a` becomes `a0`.
pub(super) fn unique_names(names: &[String]) -> Vec<String> {
    let mut unique: Vec<String> = vec![];
    let mut taken: std::collections::HashSet<String> = Default::default();
    for name in names {
        let mut candidate = name.clone();
        let mut n = 0;
        while !taken.insert(candidate.clone()) {
            candidate = format!("{name}{n}");
            n += 1;
        }
        unique.push(candidate);
    }
    unique
}

impl Binder<'_> {
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
