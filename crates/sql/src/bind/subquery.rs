//! `IN (query)` and `EXISTS (query)` as joins.
//!
//! ```text
//!   WHERE a AND x IN (SELECT y FROM u WHERE u.k = t.k)
//!     t ──semi join on x = y AND u.k = t.k── u
//! ```
//!
//! Where the condition does not stand alone (under OR, in SELECT, in CASE), and for `op ANY` and
//! `op ALL`, it is a value: made of counts, the least and the greatest value of the subquery,
//! each joined as a scalar subquery is.
//!
//! Conditions of the subquery that name columns of the query around it are pulled up into
//! the join; they may stand in filters, below projections. Anything else that is
//! correlated is refused.

use super::Binder;
use super::expr::{Cx, OUTER, SCALARS, as_outer_sees, is_virtual, virtual_index};
use super::from::make_join;
use super::scope::Scope;
use crate::dialect::ast::{self, ExprKind, UnaryOp};
use crate::expr::{Expr, Node};
use crate::functions::Registry;
use crate::plan::condition::conjuncts;
use crate::plan::logical::{
    AggregateCall, Field, FrameBound, JoinKind, OverFunction, OverGroup, Rel, Schema, SortKey,
};
use crate::types::{SqlType, TypeKind};
use millstream_core::{Error, Result};

/// The conjuncts of a written condition.
pub(super) fn written_conjuncts(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match &expr.kind {
        ExprKind::And(all) => all.iter().flat_map(written_conjuncts).collect(),
        _ => vec![expr],
    }
}

/// A condition that is a subquery: its negation is taken into account.
pub(super) fn as_subquery(expr: &ast::Expr) -> Option<(&ast::Expr, bool)> {
    match &expr.kind {
        ExprKind::InQuery { .. } | ExprKind::Exists(_) => Some((expr, false)),
        ExprKind::Unary(UnaryOp::Not, inner) => {
            as_subquery(inner).map(|(e, negated)| (e, !negated))
        }
        _ => None,
    }
}

impl Binder<'_> {
    /// `rel` with a semi or anti join for one condition.
    pub(super) fn subquery_join(
        &self,
        rel: Rel,
        scope: &Scope,
        condition: &ast::Expr,
        negated: bool,
    ) -> Result<Rel> {
        let inner = self.correlated(scope);
        let (query, probe, anti) = match &condition.kind {
            ExprKind::Exists(query) => (query, None, negated),
            ExprKind::InQuery { expr, query, negated: not } => {
                (query, Some(&**expr), negated != *not)
            }
            _ => return Err(Error::bug("no subquery")),
        };
        let sub = inner.query(query)?;
        let columns = sub.schema().len();
        if probe.is_none() && is_global(&sub) {
            // An aggregate without GROUP BY has a row, whatever it is over.
            let holds = Expr::boolean(!anti);
            return Ok(if anti { rel.filtered(vec![holds]) } else { rel });
        }
        let (sub, correlated) = pull_up(sub, Counts::No).map_err(|e| self.place(e, query.span))?;
        let width = rel.schema().len();
        let mut all: Vec<Expr> = correlated
            .into_iter()
            .map(|c| c.map_columns(&|i| as_outer_sees(i).unwrap_or_else(|| width + i)))
            .collect();
        if let Some(probe) = probe {
            let mut cx = Cx::plain(scope, "WHERE");
            cx.outer = self.outer.as_ref();
            let probes = match &probe.kind {
                ExprKind::Row(list) => {
                    list.iter().map(|e| self.expr(e, &mut cx)).collect::<Result<Vec<_>>>()?
                }
                _ => vec![self.expr(probe, &mut cx)?],
            };
            if probes.len() != columns {
                let what = format!("{} values are looked for in {columns} columns", probes.len());
                return Err(self.fail(condition.span, what).advice("make the numbers equal"));
            }
            for (i, value) in probes.into_iter().enumerate() {
                let found = Expr::column(width + i, sub.schema()[i].ty.clone());
                let may_be_null = value.ty.nullable || found.ty.nullable;
                let equal = self.registry.call("=", vec![value, found]);
                let equal = equal.map_err(|e| self.place(e, condition.span))?;
                // NOT IN drops a row as soon as a comparison is not FALSE.
                all.push(match anti && may_be_null {
                    true => self.registry.call("IS NOT FALSE", vec![equal])?,
                    false => equal,
                });
            }
        }
        let kind = if anti { JoinKind::Anti } else { JoinKind::Semi };
        Ok(make_join(rel, sub, kind, Expr::and(all)))
    }
}

/// The rows of a subquery, and what is equal for those that a row around it sees.
struct Seen {
    rel: Rel,
    outer: Vec<Expr>,
    keys: Vec<usize>,
}

impl Seen {
    fn of(rel: Rel) -> Result<Seen> {
        let (input, conditions) = pull_up(rel, Counts::No)?;
        let (rel, outer, keys) = equalities(input, conditions)?;
        Ok(Seen { rel, outer, keys })
    }
    /// An aggregate of a column (of all rows without one) over the rows that are seen and
    /// whose columns `at` are equal to expressions of the query around.
    fn aggregate(&self, function: &str, arg: Option<usize>, at: Vec<(Expr, usize)>) -> ScalarQuery {
        let (mut outer, mut keys) = (self.outer.clone(), self.keys.clone());
        for (value, column) in at {
            outer.push(value);
            keys.push(column);
        }
        let ty = match (function, arg) {
            ("COUNT", _) | (_, None) => SqlType::bigint(),
            (_, Some(arg)) => self.rel.schema()[arg].ty.clone().null_allowed().without_attribute(),
        };
        let call = AggregateCall {
            function: function.into(),
            args: arg.into_iter().collect(),
            distinct: false,
            filter: None,
            options: vec![],
            ty: ty.clone(),
        };
        let named = |(i, k): (usize, &usize)| {
            let ty = self.rel.schema()[*k].ty.clone().without_attribute();
            Field { name: format!("$corr{i}"), ty }
        };
        let mut schema: Schema = keys.iter().enumerate().map(named).collect();
        schema.push(Field { name: "$value".into(), ty });
        let value = keys.len();
        let input = Box::new(self.rel.clone());
        let rel = Rel::Aggregate { input, keys, calls: vec![call], window: None, schema };
        let equal = outer.into_iter().enumerate().map(|(i, e)| (e, i)).collect();
        ScalarQuery { rel, equal, value, by_pairs: None }
    }
}

impl Binder<'_> {
    fn scalar_column(&self, scalar: ScalarQuery, cx: &mut Cx<'_>) -> Expr {
        let ty = scalar.rel.schema()[scalar.value].ty.clone().null_allowed();
        cx.scalars.push(scalar);
        Expr::column(SCALARS + cx.scalars.len() - 1, ty)
    }
    /// A count, which is 0 where there is no group.
    fn count_column(&self, scalar: ScalarQuery, cx: &mut Cx<'_>) -> Result<Expr> {
        let count = self.scalar_column(scalar, cx);
        self.registry.call("COALESCE", vec![count, Expr::bigint(0)])
    }

    /// `IN (query)`, `EXISTS (query)`, `op ANY (query)` and `op ALL (query)` as a BOOLEAN.
    pub(super) fn subquery_value(&self, expr: &ast::Expr, cx: &mut Cx<'_>) -> Result<Expr> {
        self.scalars_may_stand(expr.span, cx)?;
        let of = |query: &ast::Query| -> Result<(Seen, usize)> {
            let rel = self.correlated(cx.scope).query(query)?;
            let columns = rel.schema().len();
            Ok((Seen::of(rel).map_err(|e| self.place(e, query.span))?, columns))
        };
        match &expr.kind {
            ExprKind::Exists(query) => {
                if is_global(&self.correlated(cx.scope).query(query)?) {
                    return Ok(Expr::boolean(true));
                }
                let (seen, _) = of(query)?;
                let count = self.count_column(seen.aggregate("COUNT", None, vec![]), cx)?;
                self.registry.call(">", vec![count, Expr::bigint(0)])
            }
            ExprKind::InQuery { expr: probe, query, negated } => {
                let (seen, columns) = of(query)?;
                let value = self.in_value(probe, seen, columns, expr.span, cx)?;
                if *negated { self.registry.call("NOT", vec![value]) } else { Ok(value) }
            }
            ExprKind::Quantified { expr: probe, op, all, query } => {
                let (seen, columns) = of(query)?;
                if columns != 1 {
                    let what = format!("one value is compared with {columns} columns");
                    return Err(self.fail(expr.span, what).advice("select one column"));
                }
                // For all: for none the opposite.
                let op = match (op.text(), all) {
                    ("=" | "<>" | "<" | "<=" | ">" | ">=", false) => op.text(),
                    ("=", true) => "<>",
                    ("<>", true) => "=",
                    ("<", true) => ">=",
                    ("<=", true) => ">",
                    (">", true) => "<=",
                    (">=", true) => "<",
                    (other, _) => {
                        let what = format!("{other} cannot stand before ANY or ALL");
                        return Err(self.fail(expr.span, what).advice("compare with = or <"));
                    }
                };
                let value = match op {
                    "=" => self.in_value(probe, seen, 1, expr.span, cx)?,
                    _ => self.any_value(probe, op, &seen, cx)?,
                };
                if *all { self.registry.call("NOT", vec![value]) } else { Ok(value) }
            }
            _ => Err(Error::bug("no subquery")),
        }
    }

    /// `probe IN (rows)`.
    fn in_value(
        &self,
        probe: &ast::Expr,
        seen: Seen,
        columns: usize,
        span: crate::dialect::Span,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        let probes = match &probe.kind {
            ExprKind::Row(list) => {
                list.iter().map(|e| self.expr(e, cx)).collect::<Result<Vec<_>>>()?
            }
            _ => vec![self.expr(probe, cx)?],
        };
        if probes.len() != columns {
            let what = format!("{} values are looked for in {columns} columns", probes.len());
            return Err(self.fail(span, what).advice("make the numbers equal"));
        }
        let at = probes.iter().cloned().enumerate().map(|(i, e)| (e, i)).collect();
        let found = self.count_column(seen.aggregate("COUNT", None, at), cx)?;
        let found = self.registry.call(">", vec![found, Expr::bigint(0)])?;
        let nullable = |(i, e): (usize, &Expr)| e.ty.nullable || seen.rel.schema()[i].ty.nullable;
        if !probes.iter().enumerate().any(nullable) {
            return Ok(found);
        }
        let [probe] = probes.as_slice() else {
            let what = "IN with several columns that may be NULL can only stand alone in WHERE, or \
                        under AND";
            return Err(self.fail(span, what).advice("write EXISTS with the comparisons"));
        };
        self.three_valued(probe, found, &seen, cx)
    }

    /// `probe op ANY (rows)`, for all but `=`.
    fn any_value(&self, probe: &ast::Expr, op: &str, seen: &Seen, cx: &mut Cx<'_>) -> Result<Expr> {
        let probe = self.expr(probe, cx)?;
        let mut compared = |function: &str| -> Result<Expr> {
            let bound = self.scalar_column(seen.aggregate(function, Some(0), vec![]), cx);
            self.registry.call(op, vec![probe.clone(), bound])
        };
        let found = match op {
            "<" | "<=" => compared("MAX")?,
            ">" | ">=" => compared("MIN")?,
            // Different from one of them: from the least or from the greatest.
            _ => Expr::or(vec![compared("MIN")?, compared("MAX")?]),
        };
        self.three_valued(&probe, found, seen, cx)
    }

    /// TRUE when `found`; FALSE over no rows; NULL where NULL might have been the one.
    fn three_valued(
        &self,
        probe: &Expr,
        found: Expr,
        seen: &Seen,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        let unknown = || Expr::null(SqlType::boolean());
        let mut branches = vec![(found, Expr::boolean(true))];
        let all = self.count_column(seen.aggregate("COUNT", None, vec![]), cx)?;
        let none = self.registry.call("=", vec![all.clone(), Expr::bigint(0)])?;
        branches.push((none, Expr::boolean(false)));
        if probe.ty.nullable {
            let is_null = self.registry.call("IS NULL", vec![probe.clone()])?;
            branches.push((is_null, unknown()));
        }
        if seen.rel.schema()[0].ty.nullable {
            let known = self.count_column(seen.aggregate("COUNT", Some(0), vec![]), cx)?;
            let missing = self.registry.call("<", vec![known, all])?;
            branches.push((missing, unknown()));
        }
        Expr::case(branches, Some(Expr::boolean(false)))
    }

    /// Refuses a subquery as a value where no join can bring it.
    pub(super) fn scalars_may_stand(&self, span: crate::dialect::Span, cx: &Cx<'_>) -> Result<()> {
        if cx.takes_scalars {
            return Ok(());
        }
        let clause = cx.no_aggregates.unwrap_or("this place");
        Err(self
            .fail(span, format!("a subquery cannot stand in {clause}"))
            .advice("join with it in FROM, or put the condition into WHERE"))
    }
}

/// A subquery that gives one value: for all rows, or for each value of some columns.
pub(crate) struct ScalarQuery {
    rel: Rel,
    /// Outer expression and column of `rel` that are equal for the rows of a value.
    pub(super) equal: Vec<(Expr, usize)>,
    /// The column that has the value.
    value: usize,
    /// What decides otherwise which rows are seen; `rel` is then what the aggregate is over.
    by_pairs: Option<ByPairs>,
}

/// An aggregate over the rows that each row around sees by more than equality.
struct ByPairs {
    conditions: Vec<Expr>,
    calls: Vec<AggregateCall>,
    /// The results of the calls.
    results: Schema,
    /// The subquery's columns, over the results.
    exprs: Vec<Expr>,
}

impl ScalarQuery {
    /// Of a query with one column.
    ///
    /// # Errors
    /// `Config`, when it names the query around where that is not supported.
    pub(super) fn of(rel: Rel) -> Result<ScalarQuery> {
        let plain = |rel, equal, value| ScalarQuery { rel, equal, value, by_pairs: None };
        if no_outer(&rel).is_ok() {
            let rel = if is_global(&rel) { rel } else { single_value(rel, 0, vec![]) };
            return Ok(plain(rel, vec![], 0));
        }
        match rel {
            Rel::Project { input, exprs, schema } if is_global_aggregate(&input) => {
                let Rel::Aggregate { input, calls, schema: of_aggregate, .. } = *input else {
                    return Err(Error::bug("an aggregate vanished"));
                };
                let (input, conditions) = pull_up(*input, Counts::Yes)?;
                if !conditions.iter().all(is_equality) {
                    let by_pairs =
                        Some(ByPairs { conditions, calls, results: of_aggregate, exprs });
                    return Ok(ScalarQuery { rel: input, equal: vec![], value: 0, by_pairs });
                }
                let (input, equal, keys) = equalities(input, conditions)?;
                let mut fields: Schema = keys.iter().map(|k| input.schema()[*k].clone()).collect();
                fields.extend(of_aggregate);
                let count = keys.len();
                let grouped = Rel::Aggregate {
                    input: Box::new(input),
                    keys,
                    calls,
                    window: None,
                    schema: fields,
                };
                let mut columns = grouped.columns();
                columns.truncate(count);
                let mut names: Vec<String> = (0..count).map(|i| format!("$corr{i}")).collect();
                columns.extend(exprs.into_iter().map(|e| e.map_columns(&|i| i + count)));
                names.extend(schema.into_iter().map(|f| f.name));
                let rel = Rel::project(grouped, columns, names);
                let equal = equal.into_iter().enumerate().map(|(i, e)| (e, i)).collect();
                Ok(plain(rel, equal, count))
            }
            other => {
                let (input, conditions) = pull_up(other, Counts::Yes)?;
                let (input, equal, keys) = equalities(input, conditions)?;
                let count = keys.len();
                let equal = equal.into_iter().enumerate().map(|(i, e)| (e, i)).collect();
                Ok(plain(single_value(input, 0, keys), equal, count))
            }
        }
    }

    /// Whether it depends on the row around.
    pub(super) fn is_correlated(&self) -> bool {
        !self.equal.is_empty() || self.by_pairs.is_some()
    }
    /// Whether it is joined before a grouping or not at all.
    pub(super) fn is_by_pairs(&self) -> bool {
        self.by_pairs.is_some()
    }

    /// The subquery for each value of the columns that it names of `around`, with conditions
    /// over those columns alone.
    fn for_each_value(self, around: &Rel) -> Result<ScalarQuery> {
        let Some(ByPairs { conditions, calls, results, exprs }) = self.by_pairs else {
            return Ok(self);
        };
        let read = conditions.iter().flat_map(Expr::columns).filter_map(as_outer_sees);
        let seen: std::collections::BTreeSet<usize> = read.collect();
        if seen.iter().any(|i| is_virtual(*i)) {
            let what = "a subquery used as a value names a query further out, and not by equality";
            return Err(Error::config(what).advice("write it as a join"));
        }
        let seen: Vec<usize> = seen.into_iter().collect();
        let column = |i: &usize| Expr::column(*i, around.schema()[*i].ty.clone());
        let names = (0..seen.len()).map(|i| format!("$corr{i}")).collect();
        let values = Rel::project(around.clone(), seen.iter().map(column).collect(), names);
        let values = super::query::distinct(values);
        let keys = seen.len();
        let place = |i: usize| match as_outer_sees(i) {
            Some(outer) => seen.iter().position(|s| *s == outer).unwrap_or_default(),
            None => keys + i,
        };
        let on = conditions.into_iter().map(|c| c.map_columns(&place)).collect();
        let mut schema: Schema = values.schema().clone();
        let pairs = make_join(values, self.rel, JoinKind::Inner, Expr::and(on));
        let moved = |call: AggregateCall| AggregateCall {
            args: call.args.iter().map(|a| a + keys).collect(),
            filter: call.filter.map(|f| f + keys),
            ..call
        };
        schema.extend(results);
        let grouped = Rel::Aggregate {
            input: Box::new(pairs),
            keys: (0..keys).collect(),
            calls: calls.into_iter().map(moved).collect(),
            window: None,
            schema,
        };
        let mut columns = grouped.columns();
        columns.truncate(keys);
        columns.extend(exprs.into_iter().map(|e| e.map_columns(&|i| i + keys)));
        let names = (0..columns.len()).map(|i| format!("$f{i}")).collect();
        let rel = Rel::project(grouped, columns, names);
        let outer = |i: &usize| Expr::column(OUTER + i, around.schema()[*i].ty.clone());
        let equal = seen.iter().enumerate().map(|(at, i)| (outer(i), at)).collect();
        Ok(ScalarQuery { rel, equal, value: keys, by_pairs: None })
    }

    /// `rel` with the value behind its columns, and where that is.
    pub(super) fn join(self, rel: Rel, registry: &Registry) -> Result<(Rel, usize)> {
        let scalar = self.for_each_value(&rel)?;
        let width = rel.schema().len();
        let mut all = vec![];
        for (outer, column) in scalar.equal {
            let outer = outer.map_columns(&|i| as_outer_sees(i).unwrap_or(i));
            let key = Expr::column(width + column, scalar.rel.schema()[column].ty.clone());
            all.push(registry.call("=", vec![outer, key])?);
        }
        Ok((make_join(rel, scalar.rel, JoinKind::Left, Expr::and(all)), width + scalar.value))
    }
}

fn is_global_aggregate(rel: &Rel) -> bool {
    matches!(rel, Rel::Aggregate { keys, window: None, .. } if keys.is_empty())
}

/// Whether there is at most one row.
fn is_global(rel: &Rel) -> bool {
    match rel {
        Rel::Project { input, .. } => is_global_aggregate(input),
        other => is_global_aggregate(other),
    }
}

/// The only value of a column, by keys; two make the job fail.
fn single_value(rel: Rel, column: usize, keys: Vec<usize>) -> Rel {
    let ty = rel.schema()[column].ty.clone().null_allowed().computed();
    let call = AggregateCall {
        function: "SINGLE_VALUE".into(),
        args: vec![column],
        distinct: false,
        filter: None,
        options: vec![],
        ty: ty.clone(),
    };
    let mut schema: Schema = keys.iter().map(|k| rel.schema()[*k].clone()).collect();
    schema.push(Field { name: "$value".into(), ty });
    Rel::Aggregate { input: Box::new(rel), keys, calls: vec![call], window: None, schema }
}

/// Whether a condition is `inner = outer`, in either order.
fn is_equality(condition: &Expr) -> bool {
    let Node::Call(call) = &condition.node else { return false };
    let ("=", [a, b]) = (call.function.name(), call.args.as_slice()) else { return false };
    let all_outer = |e: &Expr| e.columns().iter().all(|i| virtual_index(*i, OUTER).is_some());
    (all_outer(a) && !is_correlated(b)) || (all_outer(b) && !is_correlated(a))
}

/// Conditions `inner = outer`: the outer sides, and the inner ones as columns of the input.
fn equalities(input: Rel, conditions: Vec<Expr>) -> Result<(Rel, Vec<Expr>, Vec<usize>)> {
    let mut exprs = input.columns();
    let mut names: Vec<String> = input.schema().iter().map(|f| f.name.clone()).collect();
    let (mut outer, mut keys) = (vec![], vec![]);
    for condition in conditions {
        let sides = match &condition.node {
            Node::Call(call) if call.function.name() == "=" => match call.args.as_slice() {
                [a, b] => Some((a.clone(), b.clone())),
                _ => None,
            },
            _ => None,
        };
        let all_outer = |e: &Expr| e.columns().iter().all(|i| virtual_index(*i, OUTER).is_some());
        let (from_outside, inside) = match sides {
            Some((a, b)) if all_outer(&a) && !is_correlated(&b) => (a, b),
            Some((a, b)) if all_outer(&b) && !is_correlated(&a) => (b, a),
            _ => {
                let what = "a subquery used as a value is correlated by more than equality";
                return Err(Error::config(what).advice("write it as a join"));
            }
        };
        outer.push(from_outside);
        keys.push(exprs.iter().position(|e| *e == inside).unwrap_or_else(|| {
            names.push(format!("$corr{}", exprs.len()));
            exprs.push(inside);
            exprs.len() - 1
        }));
    }
    let input = match exprs.len() == input.schema().len() {
        true => input,
        false => Rel::project(input, exprs, names),
    };
    Ok((input, outer, keys))
}

/// Whether an expression reads a column of the query around.
fn is_correlated(expr: &Expr) -> bool {
    expr.columns().iter().any(|i| virtual_index(*i, OUTER).is_some())
}

/// Refuses a plan that reads columns of the query around.
pub(super) fn no_outer(rel: &Rel) -> Result<()> {
    let exprs: Vec<&Expr> = match rel {
        Rel::Project { exprs, .. } => exprs.iter().collect(),
        Rel::Filter { condition, .. }
        | Rel::Join { condition, .. }
        | Rel::TemporalJoin { condition, .. }
        | Rel::LookupJoin { condition, .. } => vec![condition],
        Rel::Unnest { expr, on, .. } => std::iter::once(expr).chain(on).collect(),
        Rel::TableFunction { args, .. } => args.iter().collect(),
        Rel::Expand { projections, .. } => projections.iter().flatten().collect(),
        Rel::Values { rows, .. } => rows.iter().flatten().collect(),
        _ => vec![],
    };
    if exprs.into_iter().any(is_correlated) {
        let what = "a subquery names a column of the query around it where that is not supported";
        return Err(Error::config(what).advice("write it as a join"));
    }
    rel.inputs().into_iter().try_for_each(no_outer)
}

/// Whether it matters how often a row of a subquery comes.
#[derive(Clone, Copy, PartialEq)]
enum Counts {
    Yes,
    No,
}

/// Takes correlated conditions out of filters and joins; they are over the result's columns
/// (of which there may be more than before) and outer ones.
fn pull_up(rel: Rel, counts: Counts) -> Result<(Rel, Vec<Expr>)> {
    match rel {
        // A semi join (a subquery within the subquery) becomes pairs, where it does not matter
        // how many there are.
        Rel::Join { left, right, kind, condition, .. }
            if is_correlated(&condition)
                && (kind == JoinKind::Inner
                    || (kind == JoinKind::Semi && counts == Counts::No)) =>
        {
            no_outer(&right)?;
            let former = left.schema().len();
            let (left, mut pulled) = pull_up(*left, counts)?;
            let more = left.schema().len() - former;
            let moved = |i: usize| if i >= former && !is_virtual(i) { i + more } else { i };
            let (out, stay): (Vec<Expr>, Vec<Expr>) = conjuncts(condition)
                .into_iter()
                .map(|c| c.map_columns(&moved))
                .partition(is_correlated);
            pulled.extend(out);
            Ok((make_join(left, *right, JoinKind::Inner, Expr::and(stay)), pulled))
        }
        Rel::Join { left, right, kind: JoinKind::Semi, condition, .. } => {
            no_outer(&right)?;
            let former = left.schema().len();
            let (left, pulled) = pull_up(*left, counts)?;
            let more = left.schema().len() - former;
            let moved = |i: usize| if i >= former { i + more } else { i };
            let condition = condition.map_columns(&moved);
            Ok((make_join(left, *right, JoinKind::Semi, condition), pulled))
        }
        Rel::Filter { input, condition } => {
            let (input, mut pulled) = pull_up(*input, counts)?;
            let (out, stay): (Vec<Expr>, Vec<Expr>) =
                conjuncts(condition).into_iter().partition(is_correlated);
            pulled.extend(out);
            Ok((input.filtered(stay), pulled))
        }
        Rel::Project { input, mut exprs, schema } => {
            let (input, pulled) = pull_up(*input, counts)?;
            if exprs.iter().any(is_correlated) {
                // EXISTS (SELECT outer.x ...): the value does not matter, but its place does.
                return no_outer(&Rel::Project { input: Box::new(input), exprs, schema })
                    .and_then(|()| Err(Error::bug("a correlated column vanished")));
            }
            let mut names: Vec<String> = schema.into_iter().map(|f| f.name).collect();
            let pulled = pulled
                .into_iter()
                .map(|condition| {
                    let types: Vec<_> = input.schema().iter().map(|f| f.ty.clone()).collect();
                    condition.transform(&mut |mut e| {
                        if let Node::Column(i) = e.node
                            && !is_virtual(i)
                        {
                            let column = Expr::column(i, types[i].clone());
                            let at = exprs.iter().position(|e| *e == column).unwrap_or_else(|| {
                                names.push(format!("$f{i}"));
                                exprs.push(column);
                                exprs.len() - 1
                            });
                            e.node = Node::Column(at);
                        }
                        e
                    })
                })
                .collect();
            Ok((Rel::project(input, exprs, names), pulled))
        }
        Rel::Aggregate { input, keys, calls, window: None, schema } if !keys.is_empty() => {
            let (input, pulled) = pull_up(*input, Counts::Yes)?;
            if pulled.is_empty() {
                let input = Box::new(input);
                return Ok((Rel::Aggregate { input, keys, calls, window: None, schema }, pulled));
            }
            let (input, outer, columns) = equalities(input, pulled)?;
            Ok(grouped_by_more(input, keys, calls, schema, outer, &columns)?)
        }
        Rel::Sort { input, keys, offset, limit } => {
            let (input, pulled) = pull_up(*input, Counts::Yes)?;
            match (pulled.is_empty(), limit) {
                (true, _) => {
                    Ok((Rel::Sort { input: Box::new(input), keys, offset, limit }, pulled))
                }
                // The order of what is joined does not matter.
                (false, None) if offset == 0 => Ok((input, pulled)),
                (false, _) => {
                    let (input, outer, columns) = equalities(input, pulled)?;
                    let conditions = equal_to(outer, &columns, &input)?;
                    Ok((ranked(input, columns, keys, offset, limit)?, conditions))
                }
            }
        }
        other => {
            no_outer(&other)?;
            Ok((other, vec![]))
        }
    }
}

/// `outer = column` for each.
fn equal_to(outer: Vec<Expr>, columns: &[usize], rel: &Rel) -> Result<Vec<Expr>> {
    let equal = |(outer, column): (Expr, &usize)| {
        let column = Expr::column(*column, rel.schema()[*column].ty.clone());
        Registry::builtin().call("=", vec![outer, column])
    };
    outer.into_iter().zip(columns).map(equal).collect()
}

/// A grouping by more columns, which stand behind its own; each is equal to an outer one.
fn grouped_by_more(
    input: Rel,
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    schema: Schema,
    outer: Vec<Expr>,
    columns: &[usize],
) -> Result<(Rel, Vec<Expr>)> {
    let (own, more) = (keys.len(), columns.len());
    let mut all = keys;
    all.extend(columns);
    let mut fields = schema[..own].to_vec();
    let named = |(i, c): (usize, &usize)| {
        let ty = input.schema()[*c].ty.clone().without_attribute();
        Field { name: format!("$corr{i}"), ty }
    };
    fields.extend(columns.iter().enumerate().map(named));
    fields.extend(schema[own..].iter().cloned());
    let input = Box::new(input);
    let rel = Rel::Aggregate { input, keys: all, calls, window: None, schema: fields };
    let order = (0..own).chain(own + more..rel.schema().len()).chain(own..own + more);
    let pick =
        |i: usize| (Expr::column(i, rel.schema()[i].ty.clone()), rel.schema()[i].name.clone());
    let (exprs, names): (Vec<Expr>, Vec<String>) = order.map(pick).unzip();
    let rel = Rel::project(rel, exprs, names);
    let at: Vec<usize> = (rel.schema().len() - more..rel.schema().len()).collect();
    let conditions = equal_to(outer, &at, &rel)?;
    Ok((rel, conditions))
}

/// The first rows of each value of some columns, with their number behind them.
fn ranked(
    input: Rel,
    columns: Vec<usize>,
    keys: Vec<SortKey>,
    offset: u64,
    limit: Option<u64>,
) -> Result<Rel> {
    let number = SqlType::bigint().not_null();
    let rank = input.schema().len();
    let mut schema = input.schema().clone();
    schema.push(Field { name: "$rank".into(), ty: number.clone() });
    let group = OverGroup {
        partition_by: columns,
        order_by: keys,
        rows: true,
        start: FrameBound::UnboundedPreceding,
        calls: vec![(OverFunction::RowNumber, number.clone())],
    };
    let over = Rel::Over { input: Box::new(input), groups: vec![group], schema };
    let bound = |op: &str, n: u64| {
        let n = Expr::bigint(i64::try_from(n).unwrap_or(i64::MAX));
        Registry::builtin().call(op, vec![Expr::column(rank, number.clone()), n])
    };
    let mut conditions = vec![];
    if let Some(limit) = limit {
        conditions.push(bound("<=", offset.saturating_add(limit))?);
    }
    if offset > 0 {
        conditions.push(bound(">", offset)?);
    }
    Ok(over.filtered(conditions))
}

/// What a LATERAL subquery joins.
pub(super) struct LateralParts {
    /// Its rows, with what decides which of them a row sees.
    pub(super) rel: Rel,
    /// Which row sees which, over the columns of `rel` and outer ones.
    pub(super) conditions: Vec<Expr>,
    /// The subquery's own columns, over both.
    pub(super) exprs: Vec<Expr>,
}

/// Takes a LATERAL subquery apart; `outer`: rows that see nothing stay.
pub(super) fn lateral_parts(rel: Rel, outer: bool) -> Result<LateralParts> {
    match rel {
        Rel::Project { input, exprs, schema } if is_global_aggregate(&input) => {
            let shown = exprs.len();
            let scalar = ScalarQuery::of(Rel::Project { input, exprs, schema })?;
            if scalar.is_by_pairs() {
                let what = "a LATERAL aggregate is correlated by more than equality";
                return Err(Error::config(what).advice("write it as a join with GROUP BY"));
            }
            let (outers, columns): (Vec<Expr>, Vec<usize>) = scalar.equal.into_iter().unzip();
            let conditions = equal_to(outers, &columns, &scalar.rel)?;
            let mut exprs = vec![];
            for i in scalar.value..scalar.value + shown {
                let ty = scalar.rel.schema()[i].ty.clone();
                let counts = outer && !ty.nullable && ty.kind == TypeKind::BigInt;
                let column = Expr::column(i, if outer { ty.null_allowed() } else { ty });
                // A count of no rows is 0, though there is no group for them.
                let args = vec![column.clone(), Expr::bigint(0)];
                let mut column = match counts {
                    true => Registry::builtin().call("COALESCE", args)?,
                    false => column,
                };
                column.ty.nullable |= outer;
                exprs.push(column);
            }
            Ok(LateralParts { rel: scalar.rel, conditions, exprs })
        }
        // What is computed from both sides is computed over the pairs.
        Rel::Project { input, exprs, .. } if !outer && exprs.iter().any(is_correlated) => {
            let (rel, conditions) = pull_up(*input, Counts::Yes)?;
            Ok(LateralParts { rel, conditions, exprs })
        }
        rel => {
            let shown = rel.schema().len();
            let (rel, conditions) = pull_up(rel, Counts::Yes)?;
            let nullable = |mut e: Expr| {
                e.ty.nullable |= outer;
                e
            };
            let exprs = rel.columns().into_iter().take(shown).map(nullable).collect();
            Ok(LateralParts { rel, conditions, exprs })
        }
    }
}
