//! A sink as the last operator of a chain: the writer, and the commits behind it.
//!
//! Invariant: at a barrier the writer flushes, then prepares; the committables are in the
//! snapshot of the same barrier.

use super::commits::Commits;
use super::{CommitterContext, Sink, SinkWriter};
use crate::chain::Output;
use crate::metrics::Counter;
use crate::operator::{Operator, OperatorContext, Progress};
use crate::snapshot::OperatorSnapshot;
use millstream_core::{Batch, Data, Epoch, Result, Watermark};
use std::sync::Arc;

/// A sink as the last operator of a chain.
pub struct SinkOperator<T: Data> {
    sink: Arc<dyn Sink<T>>,
    writer: Option<Box<dyn SinkWriter<T>>>,
    /// There when the sink commits in two phases.
    commits: Option<Commits>,
    /// Flink's `numRecordsSend`; it also tells sinks from other operators.
    records_send: Counter,
}

impl<T: Data> SinkOperator<T> {
    /// For this sink.
    pub fn new(sink: Arc<dyn Sink<T>>) -> Self {
        SinkOperator { sink, writer: None, commits: None, records_send: Counter::default() }
    }
    fn with<R: Default>(
        &mut self,
        call: impl FnOnce(&mut Box<dyn SinkWriter<T>>) -> Result<R>,
    ) -> Result<R> {
        self.writer.as_mut().map_or_else(|| Ok(R::default()), call)
    }
    /// Forgets what is committed, and reports a failed commit.
    fn check_commits(&mut self) -> Result<()> {
        self.commits.as_mut().map_or(Ok(()), Commits::take_done)
    }
}

impl<T: Data> Operator for SinkOperator<T> {
    type In = Batch<T>;
    type Out = Batch<()>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.records_send = context.metrics.counter("numRecordsSend");
        let committer = self.sink.committer(&CommitterContext {
            job: Arc::clone(&context.job),
            name: context.subtask.name.clone(),
            uid: context.subtask.uid.clone(),
            subtask: Some(context.subtask.index),
        })?;
        if let Some(committer) = committer {
            context.job.check_exactly_once()?;
            let subtask = &context.subtask;
            let waker = context.waker.clone();
            self.commits = Some(Commits::start(committer, subtask.index, &subtask.uid, waker)?);
        }
        self.writer = Some(self.sink.create_writer(context)?);
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, _out: &mut Output<Batch<()>>) -> Result<()> {
        let rows = batch.len() as u64;
        self.with(|w| w.write(batch))?;
        self.records_send.add(rows);
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        _out: &mut Output<Batch<()>>,
    ) -> Result<Progress> {
        self.with(|w| w.on_watermark(watermark))?;
        Ok(Progress::Done)
    }
    fn on_barrier(&mut self, epoch: Epoch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.check_commits()?;
        self.with(|w| w.flush())?;
        if let (Some(commits), Some(writer)) = (&mut self.commits, &mut self.writer) {
            commits.prepared(epoch, writer.prepare_commit(epoch)?);
        }
        Ok(())
    }
    fn snapshot(&mut self, epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        if let Some(commits) = &mut self.commits {
            commits.snapshot(epoch, snapshot)?;
        }
        self.with(|w| w.snapshot(epoch, snapshot))
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        if let Some(commits) = &mut self.commits
            && let Some(up_to) = commits.complete(epoch)?
            && let Some(writer) = &mut self.writer
        {
            writer.on_released(up_to);
        }
        self.with(|w| w.on_checkpoint_complete(epoch))
    }
    fn is_ready(&self) -> bool {
        self.writer.as_ref().is_none_or(|w| w.is_ready())
            && self.commits.as_ref().is_none_or(Commits::is_ready)
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.writer.as_ref().and_then(|w| w.next_poll())
    }
    fn on_processing_time(&mut self, now_ms: i64, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.check_commits()?;
        self.with(|w| w.poll(now_ms))
    }
    fn on_end(&mut self, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.check_commits()?;
        self.with(|w| w.end())
    }
    fn close(&mut self) -> Result<()> {
        let committed = self.commits.take().map_or(Ok(()), |mut commits| commits.close());
        let closed = self.with(|w| w.close());
        committed.and(closed)
    }
}
