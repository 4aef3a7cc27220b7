//! Mini-batch: changes are gathered in front of an operator that emits once for each key of a
//! batch.
//!
//! ```text
//!   batches ──gathered up to `size` rows or `latency`──> one batch ──> group aggregate
//! ```
//! Behind the exchange, in the chain of the operator. Keeps nothing over a checkpoint: what
//! was gathered goes on before the barrier, before a watermark and at the end.
//!
//! Source: Flink's "MiniBatch Aggregation".

use super::ChangeBatch;
use super::change_batch::arrow_bug;
use super::spec::MiniBatchSpec;
use arrow_select::concat::concat_batches;
use millstream_core::{Epoch, Result, Watermark};
use millstream_runtime::{Operator, OperatorContext, Output, Progress};

/// The operator of [`MiniBatchSpec`].
pub struct MiniBatch {
    spec: MiniBatchSpec,
    context: Option<OperatorContext>,
    gathered: Vec<ChangeBatch>,
    rows: usize,
    /// When the first of the gathered rows came.
    since_ms: i64,
}

impl MiniBatch {
    /// From its spec.
    pub fn new(spec: MiniBatchSpec) -> Self {
        MiniBatch { spec, context: None, gathered: vec![], rows: 0, since_ms: 0 }
    }
    fn flush(&mut self, out: &mut Output<ChangeBatch>) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        let rows = std::mem::take(&mut self.rows);
        if let [_] | [] = gathered.as_slice() {
            gathered.into_iter().for_each(|batch| out.emit(batch));
            return Ok(());
        }
        let schema = gathered[0].rows().schema();
        let kinds = match gathered.iter().all(ChangeBatch::is_append) {
            true => None,
            false => {
                let of = |batch: &ChangeBatch| {
                    (0..batch.len()).map(|row| batch.kind(row)).collect::<Vec<_>>()
                };
                Some(gathered.iter().flat_map(of).collect())
            }
        };
        let all = concat_batches(&schema, gathered.iter().map(ChangeBatch::rows));
        let columns = all.map_err(arrow_bug)?.columns().to_vec();
        out.emit(ChangeBatch::from_columns(schema, columns, rows, kinds)?);
        Ok(())
    }
}

impl Operator for MiniBatch {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        if self.gathered.is_empty() {
            self.since_ms = self.context.as_ref().map_or(0, |c| c.clock.now_ms());
        }
        self.rows += batch.len();
        self.gathered.push(batch);
        match self.rows >= self.spec.size {
            true => self.flush(out),
            false => Ok(()),
        }
    }
    fn on_watermark(&mut self, _: Watermark, out: &mut Output<ChangeBatch>) -> Result<Progress> {
        self.flush(out)?;
        Ok(Progress::Done)
    }
    fn next_processing_time(&self) -> Option<i64> {
        let due = self.since_ms.saturating_add(self.spec.latency_ms);
        (!self.gathered.is_empty()).then_some(due)
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        match self.next_processing_time().is_some_and(|due| due <= now_ms) {
            true => self.flush(out),
            false => Ok(()),
        }
    }
    fn on_barrier(&mut self, _: Epoch, out: &mut Output<ChangeBatch>) -> Result<()> {
        self.flush(out)
    }
    fn on_end(&mut self, out: &mut Output<ChangeBatch>) -> Result<()> {
        self.flush(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn rows_wait_for_the_size_the_time_a_watermark_or_the_end() {
        let columns = schema(&[("v", SqlType::int())]);
        let mut h = Harness::new(MiniBatch::new(MiniBatchSpec { size: 3, latency_ms: 100 }));
        h.time(10).push(&columns, "+I 1").push(&columns, "-D 1");
        assert_eq!(h.take(), [""; 0]);
        h.push(&columns, "+I 2");
        assert_eq!(h.take(), ["+I 1", "-D 1", "+I 2"]);
        h.push(&columns, "+I 3").time(109);
        assert_eq!(h.take(), [""; 0]);
        h.time(110);
        assert_eq!(h.take(), ["+I 3"]);
        h.push(&columns, "+I 4").watermark(7);
        assert_eq!(h.take(), ["+I 4", "watermark 7"]);
        h.push(&columns, "+I 5").end();
        assert_eq!(h.take(), ["+I 5", "watermark MAX"]);
    }
}
