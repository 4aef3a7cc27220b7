//! `SELECT`: its parts in the order in which they see each other's columns.
//!
//! ```text
//!   FROM ─ WHERE ─ subqueries ─ GROUP BY ─ HAVING ─ OVER ─ QUALIFY ─ SELECT ─ DISTINCT ─ ORDER BY
//! ```
//!
//! Aggregates, windows and scalar subqueries are virtual columns while the expressions are
//! bound; each step puts the columns that it made in their place.

use super::Binder;
use super::expr::{Cx, OVERS, SCALARS, as_outer_sees, replace_parts, virtual_index};
use super::from::push_filter;
use super::group::{GroupParts, Grouping, unmark};
use super::over::{PendingOver, over_rel};
use super::query::{distinct, ordinal, sort_key, unique_names};
use super::scope::Scope;
use super::subquery::{ScalarQuery, as_subquery, written_conjuncts};
use crate::dialect::Span;
use crate::dialect::ast::{
    self, ExprKind, Ident, OrderItem, Query, Select, SelectItem, WindowSpec,
};
use crate::expr::Expr;
use crate::plan::condition::conjuncts;
use crate::plan::logical::Rel;
use crate::types::TypeKind;
use millstream_core::Result;
use std::collections::BTreeMap;

impl Binder<'_> {
    pub(super) fn select(
        &self,
        select: &Select,
        order_by: &[OrderItem],
        query: &Query,
    ) -> Result<Rel> {
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
                if scalar.is_by_pairs() {
                    let what = "a subquery of a grouped query is correlated by more than equality";
                    return Err(self.fail(select.span, what).advice("group in a query of its own"));
                }
                for (outer, _) in &mut scalar.equal {
                    let owned = std::mem::replace(outer, Expr::boolean(false));
                    let owned = owned.map_columns(&|i| as_outer_sees(i).unwrap_or(i));
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
}
