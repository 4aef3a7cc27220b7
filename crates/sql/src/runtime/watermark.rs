//! Watermarks from an expression: `WATERMARK FOR ts AS ts - INTERVAL '5' SECOND`.
//!
//! Behind a source that has no watermarks of its own; a projection has computed the
//! watermark of each row. Watermarks of the input are not passed on, but for the last one.
//!
//! ```text
//!   rows   w=1 w=3 w=2 | w=300 | ..        a batch is cut where a watermark goes out
//!                     wm 3    wm 300
//! ```
//! A watermark goes out every `pipeline.auto-watermark-interval` of processing time, and at
//! once when it has moved by more than that in event time; with an interval of 0 that is
//! behind each row that moves it.
//!
//! Invariants: the watermark never goes back; a row leaves before the watermark it causes.

use arrow_array::Array;
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::ChangeBatch;
use super::spec::WatermarkSpec;
use super::window::milliseconds;

/// The operator of [`WatermarkSpec`].
pub struct WatermarkAssigner {
    // Configuration.
    spec: WatermarkSpec,
    context: Option<OperatorContext>,
    interval_ms: i64,
    // Not checkpointed: sources go back to where rows will move it again.
    current: i64,
    emitted: i64,
    next_tick_ms: i64,
    last_row_ms: i64,
    idle: bool,
}

impl WatermarkAssigner {
    /// From its spec.
    pub fn new(spec: WatermarkSpec) -> Self {
        WatermarkAssigner {
            spec,
            context: None,
            interval_ms: 0,
            // Flink's assigner starts at 1970: no watermark is before that.
            current: 0,
            emitted: 0,
            next_tick_ms: 0,
            last_row_ms: 0,
            idle: false,
        }
    }
    fn now_ms(&self) -> i64 {
        self.context.as_ref().map_or(0, |context| context.clock.now_ms())
    }
    fn advance(&mut self, out: &mut Output<ChangeBatch>) {
        if self.current > self.emitted {
            self.emitted = self.current;
            out.emit_watermark(Watermark(self.current));
        }
    }
    fn send(&self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let columns = batch.rows().columns();
        let columns = columns[..self.spec.output.fields().len().min(columns.len())].to_vec();
        let kinds = batch.kinds().map(<[_]>::to_vec);
        let output = self.spec.output.clone();
        out.emit(ChangeBatch::from_columns(output, columns, batch.len(), kinds)?);
        Ok(())
    }
}

impl Operator for WatermarkAssigner {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.interval_ms = context.auto_watermark_interval_ms;
        let now_ms = context.clock.now_ms();
        (self.next_tick_ms, self.last_row_ms) = (now_ms + self.interval_ms, now_ms);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.spec.idle_timeout_ms.is_some() {
            self.last_row_ms = self.now_ms();
            if std::mem::take(&mut self.idle) {
                out.emit_idle(false);
            }
        }
        let rowtime = batch.column(self.spec.rowtime)?;
        let valid = match rowtime.null_count() {
            0 => batch.len(),
            // Rows in front of the bad one still count.
            _ => (0..batch.len()).find(|row| rowtime.is_null(*row)).unwrap_or(batch.len()),
        };
        let column = batch.column(self.spec.watermark)?;
        let watermarks = milliseconds(column)?;
        let mut from = 0;
        for (row, watermark) in watermarks.iter().enumerate().take(valid) {
            if column.is_valid(row) {
                self.current = self.current.max(*watermark);
            }
            if self.current.saturating_sub(self.emitted) > self.interval_ms {
                self.send(batch.slice(from, row + 1 - from), out)?;
                from = row + 1;
                self.advance(out);
            }
        }
        self.send(batch.slice(from, valid - from), out)?;
        if valid < batch.len() {
            let name = &self.spec.rowtime_name;
            return Err(Error::data(format!("the rowtime '{name}' of a row is NULL")).advice(
                "compute the rowtime from the column with COALESCE, or filter the rows at the source",
            ));
        }
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        _: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        match watermark {
            Watermark::MAX => Ok(Progress::Done),
            _ => Ok(Progress::Hold),
        }
    }
    fn on_idle(&mut self, _: bool, _: &mut Output<ChangeBatch>) -> Result<bool> {
        // Whether the source is idle is decided here, by the rows.
        Ok(self.spec.idle_timeout_ms.is_none())
    }
    fn next_processing_time(&self) -> Option<i64> {
        let tick =
            (self.interval_ms > 0 && self.current > self.emitted).then_some(self.next_tick_ms);
        let idle = self.spec.idle_timeout_ms.filter(|_| !self.idle);
        let idle = idle.map(|timeout| self.last_row_ms.saturating_add(timeout));
        tick.into_iter().chain(idle).min()
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        if self.interval_ms > 0 && now_ms >= self.next_tick_ms {
            self.next_tick_ms = now_ms + self.interval_ms;
            self.advance(out);
        }
        if let Some(timeout) = self.spec.idle_timeout_ms
            && !self.idle
            && now_ms >= self.last_row_ms.saturating_add(timeout)
        {
            self.idle = true;
            self.advance(out);
            out.emit_idle(true);
        }
        Ok(())
    }
    fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, batch, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("ts", SqlType::timestamp(3)), ("w", SqlType::timestamp(3))])
    }
    fn operator(idle_timeout_ms: Option<i64>) -> WatermarkAssigner {
        WatermarkAssigner::new(WatermarkSpec {
            rowtime: 0,
            rowtime_name: "ts".into(),
            watermark: 1,
            idle_timeout_ms,
            output: schema(&[("ts", SqlType::timestamp(3))]),
        })
    }

    #[test]
    fn a_batch_is_cut_where_the_watermark_has_moved_by_more_than_the_interval() {
        let mut h = Harness::new(operator(None));
        h.push(&input(), "+I 1 -4\n+I 150 145\n+I 196 191\n+I 206 201\n+I 5 0\n+I 9 null");
        let out = ["+I 1", "+I 150", "+I 196", "+I 206", "watermark 201", "+I 5", "+I 9"];
        assert_eq!(h.take(), out);
        h.push(&input(), "+I 250 245");
        assert_eq!(h.take(), ["+I 250"]);
        h.time(200);
        assert_eq!(h.take(), ["watermark 245"]);
        h.watermark(1000).end();
        assert_eq!(h.take(), ["watermark MAX"]);
    }

    #[test]
    fn a_null_rowtime_fails_by_name() {
        let mut h = Harness::new(operator(None));
        let e = h.try_receive(batch(&input(), "+I 1 1\n+I null null")).unwrap_err();
        assert!(e.to_string().contains("'ts'"), "{e}");
        assert_eq!(h.take(), ["+I 1"]);
    }

    #[test]
    fn no_rows_for_long_is_idle() {
        let mut h = Harness::new(operator(Some(1000)));
        h.push(&input(), "+I 1 1").time(999);
        assert_eq!(h.take(), ["+I 1", "watermark 1"]);
        h.time(1000).push(&input(), "+I 2 2");
        assert_eq!(h.take(), ["idle", "active", "+I 2"]);
    }
}
