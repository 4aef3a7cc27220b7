//! Sinks: where records leave the job.
//!
//! At the end of a chain. A [`SinkWriter`] is at least once when `flush` returns only
//! after everything written is safe outside, because the runtime calls it before a
//! checkpoint is acknowledged; exactly once comes with committers (the state issue).

use crate::chain::Output;
use crate::metrics::Counter;
use crate::operator::{Operator, OperatorContext};
use crate::snapshot::OperatorSnapshot;
use millstream_core::{Batch, Data, Epoch, Result};
use std::sync::Arc;

/// Describes where records go; shared by all subtasks.
pub trait Sink<T: Data>: Send + Sync + 'static {
    /// Makes the writer of one subtask.
    ///
    /// # Errors
    /// When the outside system is not there or the options are wrong: before data flows.
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>>;

    /// Checks of options that need no I/O, when the job is built.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// Writes the records of one subtask.
pub trait SinkWriter<T: Data> {
    /// Writes a batch; may keep it in a bounded buffer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn write(&mut self, batch: Batch<T>) -> Result<()>;

    /// Returns when everything written so far is safe outside. Called at every barrier
    /// and at the end of bounded input.
    ///
    /// # Errors
    /// Fails the checkpoint and the attempt.
    fn flush(&mut self) -> Result<()>;

    /// Bounded input has ended: everything written must be safe, and visible to readers.
    /// Not called when the job fails or is cancelled.
    ///
    /// # Errors
    /// Ends the attempt.
    fn end(&mut self) -> Result<()> {
        self.flush()
    }

    /// Stores what the writer needs to go on.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, _epoch: Epoch, _into: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
    /// The checkpoint of `epoch`, and all before it, is durable.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }
    /// Whether more can be written now. One that says no wakes the task when it changes.
    fn is_ready(&self) -> bool {
        true
    }
    /// Called now and then, and after a wake-up: delivery reports, timed flushes.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, _now_ms: i64) -> Result<()> {
        Ok(())
    }
    /// When `poll` must be called at the latest.
    fn next_poll(&self) -> Option<i64> {
        None
    }
    /// Lets go of outside resources. Called once, also after a failure.
    ///
    /// # Errors
    /// Reported when the job had not failed before.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A sink as the last operator of a chain.
pub struct SinkOperator<T: Data> {
    sink: Arc<dyn Sink<T>>,
    writer: Option<Box<dyn SinkWriter<T>>>,
    /// Flink's `numRecordsSend`; it also tells sinks from other operators.
    records_send: Counter,
}

impl<T: Data> SinkOperator<T> {
    /// For this sink.
    pub fn new(sink: Arc<dyn Sink<T>>) -> Self {
        SinkOperator { sink, writer: None, records_send: Counter::default() }
    }
    fn with<R: Default>(
        &mut self,
        call: impl FnOnce(&mut Box<dyn SinkWriter<T>>) -> Result<R>,
    ) -> Result<R> {
        self.writer.as_mut().map_or_else(|| Ok(R::default()), call)
    }
}

impl<T: Data> Operator for SinkOperator<T> {
    type In = Batch<T>;
    type Out = Batch<()>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.records_send = context.metrics.counter("numRecordsSend");
        self.writer = Some(self.sink.create_writer(context)?);
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, _out: &mut Output<Batch<()>>) -> Result<()> {
        let rows = batch.len() as u64;
        self.with(|w| w.write(batch))?;
        self.records_send.add(rows);
        Ok(())
    }
    fn on_barrier(&mut self, _epoch: Epoch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.flush())
    }
    fn snapshot(&mut self, epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.with(|w| w.snapshot(epoch, snapshot))
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.with(|w| w.on_checkpoint_complete(epoch))
    }
    fn is_ready(&self) -> bool {
        self.writer.as_ref().is_none_or(|w| w.is_ready())
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.writer.as_ref().and_then(|w| w.next_poll())
    }
    fn on_processing_time(&mut self, now_ms: i64, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.poll(now_ms))
    }
    fn on_end(&mut self, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.end())
    }
    fn close(&mut self) -> Result<()> {
        self.with(|w| w.close())
    }
}
