//! Parts of a plan that cannot have rows, on the logical plan: a filter on FALSE, LIMIT 0,
//! and what is built on them.
//!
//! Between the binder and [`super::prune`]. They become constant rows, none. It shows where an
//! aggregate without GROUP BY is over one: a stream without rows gives no result, but an
//! aggregate over no rows at all is a constant row (`COUNT` 0, `SUM` NULL), as in Flink.

use super::condition::conjuncts;
use super::logical::{AggregateCall, JoinKind, Rel, Schema};
use crate::dialect::ast::SetOp;
use crate::expr::{EvalContext, Expr, fold};
use crate::value::Value;

/// `rel` with constant rows in place of what has none; `context` has the session's zone.
pub(crate) fn without_empty(mut rel: Rel, context: &EvalContext) -> Rel {
    replace(&mut rel, context);
    rel
}

fn replace(rel: &mut Rel, context: &EvalContext) {
    rel.inputs_mut().into_iter().for_each(|input| replace(input, context));
    if let Some(row) = constant_row(rel) {
        *rel = Rel::Values { rows: vec![row], schema: rel.schema().clone() };
    } else if has_no_rows(rel, context) {
        *rel = Rel::Values { rows: vec![], schema: rel.schema().clone() };
    }
}

fn is_empty(rel: &Rel) -> bool {
    matches!(rel, Rel::Values { rows, .. } if rows.is_empty())
}

/// Whether there are no rows, once the inputs without rows are known.
fn has_no_rows(rel: &Rel, context: &EvalContext) -> bool {
    match rel {
        Rel::Filter { input, condition } => is_empty(input) || is_never(condition, context),
        Rel::Sort { limit: Some(0), .. } => true,
        Rel::Scan { .. } | Rel::Values { .. } | Rel::Watermark { .. } => false,
        Rel::Aggregate { input, keys, window, .. } => {
            is_empty(input) && (!keys.is_empty() || window.is_some())
        }
        Rel::Join { left, right, kind, .. } => match kind {
            JoinKind::Inner | JoinKind::Semi => is_empty(left) || is_empty(right),
            JoinKind::Left | JoinKind::Anti => is_empty(left),
            JoinKind::Right => is_empty(right),
            JoinKind::Full => is_empty(left) && is_empty(right),
        },
        Rel::TemporalJoin { left, .. } | Rel::LookupJoin { left, .. } => is_empty(left),
        Rel::SetOp { op, inputs, .. } => match op {
            SetOp::Union => inputs.iter().all(is_empty),
            SetOp::Intersect => inputs.iter().any(is_empty),
            SetOp::Except => inputs.first().is_some_and(is_empty),
        },
        Rel::Project { input, .. }
        | Rel::Expand { input, .. }
        | Rel::WindowTable { input, .. }
        | Rel::Over { input, .. }
        | Rel::Unnest { input, .. }
        | Rel::TableFunction { input, .. }
        | Rel::StateTtl { input, .. }
        | Rel::Sort { input, .. } => is_empty(input),
    }
}

/// Whether a condition holds for no row: a part of it is constant, and not TRUE.
fn is_never(condition: &Expr, context: &EvalContext) -> bool {
    conjuncts(condition.clone()).into_iter().any(|part| {
        part.columns().is_empty()
            && fold(part, context)
                .is_ok_and(|e| matches!(e.as_literal(), Some(Value::Null | Value::Boolean(false))))
    })
}

/// The result of an aggregate without GROUP BY over nothing, if it is one of the plain ones.
fn constant_row(rel: &Rel) -> Option<Vec<Expr>> {
    let Rel::Aggregate { input, keys, calls, window: None, schema } = rel else { return None };
    if !keys.is_empty() || !is_empty(input) {
        return None;
    }
    calls
        .iter()
        .zip(schema as &Schema)
        .map(|(call, field)| over_nothing(call, field.ty.clone()))
        .collect()
}

fn over_nothing(call: &AggregateCall, ty: crate::types::SqlType) -> Option<Expr> {
    match call.function.as_str() {
        "COUNT" => Some(Expr::bigint(0)),
        "SUM" | "MIN" | "MAX" | "AVG" => Some(Expr::null(ty)),
        _ => None,
    }
}
