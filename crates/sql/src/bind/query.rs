//! Queries: set operations, `VALUES`, order and limit.
//!
//! What stands around a `SELECT`; [`select`](super::select) binds the `SELECT` itself.

use super::Binder;
use super::expr::Cx;
use super::scope::Scope;
use crate::coercion::common_type;
use crate::dialect::Span;
use crate::dialect::ast::{self, ExprKind, OrderItem, Query, SetExpr, SetOp};
use crate::expr::{EvalContext, Expr, Node, fold};
use crate::plan::logical::{Field, Rel, Schema, SortKey};
use crate::types::SqlType;
use crate::value::Value;
use millstream_core::{Error, Result};

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
    pub(super) fn sorted(&self, rel: Rel, keys: Vec<SortKey>, query: &Query) -> Result<Rel> {
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
}

/// The same rows without duplicates.
pub(super) fn distinct(rel: Rel) -> Rel {
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
pub(super) fn ordinal(e: &ast::Expr, columns: usize) -> Option<Result<usize>> {
    let ExprKind::Number(n) = &e.kind else { return None };
    let number: usize = n.parse().ok()?;
    Some(match number.checked_sub(1) {
        Some(index) if index < columns => Ok(index),
        _ => Err(Error::config(format!("ordinal {number} is out of range"))
            .advice(format!("the list has {columns} columns"))),
    })
}

pub(super) fn sort_key(item: &OrderItem, column: usize) -> SortKey {
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
