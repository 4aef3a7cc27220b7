//! Drops every record; they are counted as for every sink (`numRecordsSend`).

use millstream_core::{Batch, Data, Result};
use millstream_runtime::{OperatorContext, Sink, SinkWriter};

/// Drops every record.
///
/// ```
/// use millstream_connectors::BlackholeSink;
/// use millstream_runtime::SinkOperator;
/// use millstream_testkit::OperatorHarness;
/// use std::sync::Arc;
///
/// let mut harness = OperatorHarness::new(SinkOperator::new(Arc::new(BlackholeSink)));
/// harness.push(1u32, 10).unwrap();
/// assert_eq!(harness.counter("numRecordsSend").get(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BlackholeSink;

impl<T: Data> Sink<T> for BlackholeSink {
    fn create_writer(&self, _context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        Ok(Box::new(BlackholeSink))
    }
}

impl<T: Data> SinkWriter<T> for BlackholeSink {
    fn write(&mut self, _batch: Batch<T>) -> Result<()> {
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
