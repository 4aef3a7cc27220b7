//! `IN (query)` and `EXISTS (query)` as joins.
//!
//! ```text
//!   WHERE a AND x IN (SELECT y FROM u WHERE u.k = t.k)
//!     t ──semi join on x = y AND u.k = t.k── u
//! ```
//!
//! Conditions of the subquery that name columns of the query around it are pulled up into
//! the join; they may stand in filters, below projections. Anything else that is
//! correlated is refused.

use super::Binder;
use super::expr::{Cx, OUTER, is_virtual, virtual_index};
use super::from::make_join;
use super::scope::Scope;
use crate::dialect::ast::{self, ExprKind, UnaryOp};
use crate::expr::{Expr, Node};
use crate::functions::Registry;
use crate::plan::condition::conjuncts;
use crate::plan::logical::{AggregateCall, Field, JoinKind, Rel, Schema};
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
        let (sub, correlated) = pull_up(sub).map_err(|e| self.place(e, query.span))?;
        let width = rel.schema().len();
        let mut all: Vec<Expr> = correlated
            .into_iter()
            .map(|c| c.map_columns(&|i| virtual_index(i, OUTER).unwrap_or_else(|| width + i)))
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

/// A subquery that gives one value: for all rows, or for each value of some columns.
pub(crate) struct ScalarQuery {
    rel: Rel,
    /// Outer expression and column of `rel` that are equal for the rows of a value.
    pub(super) equal: Vec<(Expr, usize)>,
    /// The column that has the value.
    value: usize,
}

impl ScalarQuery {
    /// Of a query with one column.
    ///
    /// # Errors
    /// `Config`, when it is correlated by anything but equality.
    pub(super) fn of(rel: Rel) -> Result<ScalarQuery> {
        if no_outer(&rel).is_ok() {
            let rel = if is_global(&rel) { rel } else { single_value(rel, 0, vec![]) };
            return Ok(ScalarQuery { rel, equal: vec![], value: 0 });
        }
        match rel {
            Rel::Project { input, exprs, schema } if is_global_aggregate(&input) => {
                let Rel::Aggregate { input, calls, schema: of_aggregate, .. } = *input else {
                    return Err(Error::bug("an aggregate vanished"));
                };
                let (input, conditions) = pull_up(*input)?;
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
                Ok(ScalarQuery { rel, equal, value: count })
            }
            other => {
                let (input, conditions) = pull_up(other)?;
                let (input, equal, keys) = equalities(input, conditions)?;
                let count = keys.len();
                let equal = equal.into_iter().enumerate().map(|(i, e)| (e, i)).collect();
                Ok(ScalarQuery { rel: single_value(input, 0, keys), equal, value: count })
            }
        }
    }

    /// `rel` with the value behind its columns, and where that is.
    pub(super) fn join(self, rel: Rel, registry: &Registry) -> Result<(Rel, usize)> {
        let width = rel.schema().len();
        let mut all = vec![];
        for (outer, column) in self.equal {
            let outer = outer.map_columns(&|i| virtual_index(i, OUTER).unwrap_or(i));
            let key = Expr::column(width + column, self.rel.schema()[column].ty.clone());
            all.push(registry.call("=", vec![outer, key])?);
        }
        Ok((make_join(rel, self.rel, JoinKind::Left, Expr::and(all)), width + self.value))
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
        Rel::Unnest { expr, .. } => vec![expr],
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

/// Takes correlated conditions out of filters; they are over the result's columns (of
/// which there may be more than before) and outer ones.
fn pull_up(rel: Rel) -> Result<(Rel, Vec<Expr>)> {
    match rel {
        Rel::Filter { input, condition } => {
            let (input, mut pulled) = pull_up(*input)?;
            let (out, stay): (Vec<Expr>, Vec<Expr>) =
                conjuncts(condition).into_iter().partition(is_correlated);
            pulled.extend(out);
            Ok((input.filtered(stay), pulled))
        }
        Rel::Project { input, mut exprs, schema } => {
            let (input, pulled) = pull_up(*input)?;
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
        other => {
            no_outer(&other)?;
            Ok((other, vec![]))
        }
    }
}
