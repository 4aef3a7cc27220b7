//! Filters and computes, batch by batch.
//!
//! ```text
//!   batch ──> columns and fields that are read ──condition──> their rows ──exprs──> batch
//! ```
//! Between any two operators of a plan. Only what the expressions read is filtered: of a ROW
//! the fields, not the row. What several expressions have in common is computed once, unless
//! it can fail: then it must see only the rows that it is meant for.

use crate::expr::{EvalContext, Expr, Node, arrow_bug, evaluate_columns, evaluate_filter_columns};
use crate::runtime::ChangeBatch;
use crate::zone::Zone;
use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use arrow_select::filter::FilterBuilder;
use millstream_core::{Error, Result, Watermark};
use millstream_runtime::{Operator, OperatorContext, Output, Progress};
use std::collections::HashMap;
use std::sync::Arc;

/// See the module.
pub(crate) struct Calc {
    /// Columns of the input and fields of them, each once.
    reads: Vec<Expr>,
    /// What the condition computes that is used elsewhere too; over `reads`.
    early: Vec<Expr>,
    /// Over `reads` and `early`.
    condition: Option<Expr>,
    /// What several expressions compute; over `reads` and `early`.
    late: Vec<Expr>,
    /// Which of `reads` and `early` are needed behind the condition.
    kept: Vec<bool>,
    /// Over all of them.
    exprs: Vec<Expr>,
    schema: SchemaRef,
    zone: Zone,
    context: Option<(EvalContext, OperatorContext)>,
}

impl Calc {
    pub(crate) fn new(
        mut condition: Option<Expr>,
        mut exprs: Vec<Expr>,
        schema: SchemaRef,
        zone: Zone,
    ) -> Self {
        let mut reads = vec![];
        condition.iter_mut().chain(&mut exprs).for_each(|e| read(e, &mut reads));
        let mut counts = HashMap::new();
        condition.iter().chain(&exprs).for_each(|e| count(e, &mut counts));
        counts.retain(|_, count| *count > 1);
        let mut early = vec![];
        condition.iter_mut().for_each(|e| take_out(e, &counts, reads.len(), &mut early));
        let mut late = early.clone();
        exprs.iter_mut().for_each(|e| take_out(e, &counts, reads.len(), &mut late));
        let late = late.split_off(early.len());
        let used: Vec<usize> = exprs.iter().chain(&late).flat_map(Expr::columns).collect();
        let kept = (0..reads.len() + early.len()).map(|i| used.contains(&i)).collect();
        Calc { reads, early, condition, late, kept, exprs, schema, zone, context: None }
    }
}

/// Puts the paths of `expr` into `reads`, and columns of that in their place.
fn read(expr: &mut Expr, reads: &mut Vec<Expr>) {
    if !expr.is_path() {
        expr.children_mut().into_iter().for_each(|e| read(e, reads));
        return;
    }
    let known = reads.iter().position(|r| r.node == expr.node);
    let at = known.unwrap_or_else(|| {
        reads.push(expr.clone());
        reads.len() - 1
    });
    *expr = Expr::column(at, expr.ty.clone());
}

/// Whether an expression may be computed for all rows, whoever asks for it, and is worth it.
fn can_be_shared(expr: &Expr) -> bool {
    matches!(expr.node, Node::Call(_) | Node::Cast { .. })
        && !expr.may_fail()
        && expr.is_deterministic()
        && !expr.columns().is_empty()
}

fn count(expr: &Expr, counts: &mut HashMap<Expr, usize>) {
    if can_be_shared(expr) {
        let count = counts.entry(expr.clone()).or_insert(0);
        *count += 1;
        // What is below is computed once with it.
        if *count > 1 {
            return;
        }
    }
    expr.children().into_iter().for_each(|e| self::count(e, counts));
}

/// Puts what is computed more than once into `shared`, whose columns follow `before` others.
fn take_out(expr: &mut Expr, counts: &HashMap<Expr, usize>, before: usize, shared: &mut Vec<Expr>) {
    if counts.is_empty() {
        return;
    }
    if !counts.contains_key(expr) {
        for child in expr.children_mut() {
            take_out(child, counts, before, shared);
        }
        return;
    }
    let at = shared.iter().position(|e| e == expr).unwrap_or_else(|| {
        shared.push(expr.clone());
        shared.len() - 1
    });
    *expr = Expr::column(before + at, expr.ty.clone());
}

/// Adds the columns of `exprs`, which may read those before them.
fn compute(
    exprs: &[Expr],
    columns: &mut Vec<ArrayRef>,
    rows: usize,
    context: &EvalContext,
) -> Result<()> {
    for expr in exprs {
        let column = evaluate_columns(expr, columns, rows, context)?;
        columns.push(column);
    }
    Ok(())
}

impl Operator for Calc {
    type In = ChangeBatch;
    type Out = ChangeBatch;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let now = context.clock.now_ms();
        let seed = now ^ ((context.subtask.index as i64) << 48);
        let eval = EvalContext::new(self.zone, now, seed);
        self.context = Some((eval, context.clone()));
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let Some((eval, context)) = &mut self.context else {
            return Err(Error::bug("a calc was not opened"));
        };
        eval.now_ms = context.clock.now_ms();
        let all = batch.len();
        let path = |e: &Expr| evaluate_columns(e, batch.rows().columns(), all, eval);
        let mut columns = self.reads.iter().map(path).collect::<Result<Vec<_>>>()?;
        compute(&self.early, &mut columns, all, eval)?;
        let mut kinds = batch.kinds().map(<[_]>::to_vec);
        let mut count = all;
        if let Some(condition) = &self.condition {
            let keep = evaluate_filter_columns(condition, &columns, all, eval)?;
            count = keep.true_count();
            if count < all && count > 0 {
                kinds = kinds.map(|all| {
                    let kept = all.into_iter().zip(keep.values()).filter(|(_, keep)| *keep);
                    kept.map(|(kind, _)| kind).collect()
                });
                let filter = FilterBuilder::new(&keep).optimize().build();
                for (column, is_read) in columns.iter_mut().zip(&self.kept) {
                    if *is_read {
                        *column = filter.filter(column).map_err(arrow_bug)?;
                    }
                }
            }
        }
        if count == 0 {
            return Ok(());
        }
        compute(&self.late, &mut columns, count, eval)?;
        let value = |e: &Expr| evaluate_columns(e, &columns, count, eval);
        let columns = self.exprs.iter().map(value).collect::<Result<Vec<_>>>()?;
        out.emit(ChangeBatch::from_columns(Arc::clone(&self.schema), columns, count, kinds)?);
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        _out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        if let Some((eval, _)) = &mut self.context {
            eval.watermark_ms = (watermark != Watermark::MIN).then_some(watermark.0);
        }
        Ok(Progress::Done)
    }
}
