//! Computes constant parts of expressions once, when the plan is made.

use millstream_core::Result;

use super::{EvalContext, Expr, Node, evaluate_columns};
use crate::value::value_at;

/// `expr` with every constant sub-expression replaced by its value.
///
/// Types stay, so that a folded column prints the same type. Operands that a condition may
/// skip (in CASE, COALESCE, AND, OR) stay as they are if computing them fails: they may never
/// be reached. Other failures are left for the run, so a query over no rows does not fail;
/// use [`evaluate_columns`] where Flink fails in planning.
///
/// # Errors
/// Bug: an array of an unexpected type.
pub fn fold(expr: Expr, context: &EvalContext) -> Result<Expr> {
    let mut failed = None;
    let folded = expr.transform(&mut |e| {
        let foldable = !matches!(e.node, Node::Literal(_) | Node::Column(_))
            && e.children().iter().all(|child| child.as_literal().is_some())
            && e.is_constant();
        if !foldable {
            return e;
        }
        let Ok(array) = evaluate_columns(&e, &[], 1, context) else { return e };
        match value_at(&array, &e.ty, 0) {
            Ok(value) => Expr { node: Node::Literal(value), ty: e.ty },
            Err(error) => {
                failed.get_or_insert(error);
                e
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(folded),
    }
}
