//! Filters and computes, batch by batch.
//!
//! ```text
//!   batch ──condition──> mask
//!     └──reads──> columns, fields of ROWs ──mask──> exprs ──> batch
//! ```
//! Between any two operators of a plan. Only what the expressions read is filtered: of a ROW
//! the fields, not the row.

use crate::expr::{EvalContext, Expr, evaluate_columns, evaluate_filter};
use crate::runtime::ChangeBatch;
use crate::zone::Zone;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::SchemaRef;
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use millstream_core::{Error, Result, Watermark};
use millstream_runtime::{Operator, OperatorContext, Output, Progress};
use std::sync::Arc;

/// See the module.
pub(crate) struct Calc {
    condition: Option<Expr>,
    /// Columns of the input and fields of them, each once.
    reads: Vec<Expr>,
    /// Over what `reads` gives.
    exprs: Vec<Expr>,
    schema: SchemaRef,
    zone: Zone,
    context: Option<(EvalContext, OperatorContext)>,
}

impl Calc {
    pub(crate) fn new(
        condition: Option<Expr>,
        mut exprs: Vec<Expr>,
        schema: SchemaRef,
        zone: Zone,
    ) -> Self {
        let mut reads = vec![];
        exprs.iter_mut().for_each(|e| read(e, &mut reads));
        Calc { condition, reads, exprs, schema, zone, context: None }
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

/// How the rows for which a condition holds are taken out of columns.
enum Rows {
    All,
    Some(FilterPredicate),
}

impl Rows {
    fn of(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Rows::All => Ok(Arc::clone(column)),
            Rows::Some(filter) => filter.filter(column).map_err(crate::expr::arrow_bug),
        }
    }
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
        let mut kinds = batch.kinds().map(<[_]>::to_vec);
        let (mut rows, mut count) = (Rows::All, batch.len());
        if let Some(condition) = &self.condition {
            let keep: BooleanArray = evaluate_filter(condition, batch.rows(), eval)?;
            count = keep.true_count();
            if count < batch.len() {
                kinds = kinds.map(|all| {
                    let kept = all.into_iter().zip(keep.values()).filter(|(_, keep)| *keep);
                    kept.map(|(kind, _)| kind).collect()
                });
                rows = Rows::Some(FilterBuilder::new(&keep).optimize().build());
            }
        }
        if count == 0 {
            return Ok(());
        }
        let (input, all) = (batch.rows().columns(), batch.len());
        let read = |e: &Expr| rows.of(&evaluate_columns(e, input, all, eval)?);
        let columns = self.reads.iter().map(read).collect::<Result<Vec<_>>>()?;
        let compute = |e: &Expr| evaluate_columns(e, &columns, count, eval);
        let columns = self.exprs.iter().map(compute).collect::<Result<Vec<_>>>()?;
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
