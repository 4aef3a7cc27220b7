//! Sinks: where records leave the job.
//!
//! At the end of a chain. Two promises can be kept here:
//!
//! ```text
//!   at least once   write.. ─> flush at the barrier ─> the checkpoint is acknowledged
//!   exactly once    write.. ─> prepare_commit at the barrier ─> committables in the checkpoint
//!                   checkpoint durable ─> Committer::commit      (all epochs up to it)
//!                   after a failure    ─> Committer::recover     (before any source runs)
//! ```
//!
//! # Contract of the two-phase commit
//! - What a writer has prepared for epoch `e` survives its process, and is visible to
//!   readers only after a commit.
//! - A commit follows from a *durable* checkpoint only. A savepoint that is not the recovery
//!   point is completed without a commit: its committables stay listed, and the next
//!   checkpoint commits them.
//! - Commits are cumulative and idempotent: notices may be lost, doubled or late, and a
//!   restart commits everything once more that its checkpoint lists.
//! - After a restore one process commits *all* committables, whatever the parallelism was
//!   and is, before any writer exists. Writers get none of them back.
//!
//! Source: Flink's `TwoPhaseCommittingSink`; design in docs/decisions/0005.

mod commits;
mod operator;

use crate::operator::{JobInfo, OperatorContext};
use crate::snapshot::{OperatorSnapshot, Restored};
use millstream_checkpoint::fault;
use millstream_core::{Batch, Data, Epoch, Result, Watermark};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use operator::SinkOperator;

/// Describes where records go; shared by all subtasks.
pub trait Sink<T: Data>: Send + Sync + 'static {
    /// Makes the writer of one subtask.
    ///
    /// # Errors
    /// When the outside system is not there or the options are wrong: before data flows.
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>>;

    /// Makes a committer, when the sink commits in two phases. Called by every subtask, and
    /// once before any of them, on the first process, for [`Committer::recover`].
    ///
    /// # Errors
    /// When the outside system is not there or the options are wrong: before data flows.
    fn committer(&self, _context: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }

    /// What no other sink of the job may have too, in words: where the commits of this sink
    /// are kept. Checked before the job runs.
    fn exclusive(&self) -> Option<String> {
        None
    }

    /// Checks of options that need no I/O, when the job is built.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// What a committer may know of its surroundings.
#[derive(Clone, Debug)]
pub struct CommitterContext {
    /// The job, with its checkpoint settings.
    pub job: Arc<JobInfo>,
    /// The operator's name, for people.
    pub name: String,
    /// The operator's stable identity.
    pub uid: String,
    /// Whose committables are to be committed; `None`: everybody's, after a restore.
    pub subtask: Option<usize>,
}

/// What one writer has prepared for one epoch. Opaque to the runtime; part of the
/// checkpoints until it is known to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committable {
    /// The epoch whose records it holds.
    pub epoch: Epoch,
    /// Index of the subtask that has prepared it.
    pub writer: usize,
    /// The sink's own bytes.
    pub payload: Vec<u8>,
}

/// Makes what writers have prepared visible outside. Has a thread of its own, so it may
/// block; it must give up within limits of its own.
pub trait Committer: Send {
    /// Commits these, in order of their epochs. Some may have been committed before.
    ///
    /// # Errors
    /// Ends the attempt. The committables stay in the checkpoint: a restart commits them.
    fn commit(&mut self, committables: &[Committable]) -> Result<()>;

    /// Commits everything that the restored checkpoint lists (nothing, in a fresh job), then
    /// clears away what former attempts have left open. Called once an attempt, before any
    /// writer or source exists.
    ///
    /// # Errors
    /// Ends the attempt before data flows.
    fn recover(&mut self, committables: &[Committable]) -> Result<()> {
        self.commit(committables)
    }
}

/// Writes the records of one subtask.
pub trait SinkWriter<T: Data> {
    /// Writes a batch; may keep it in a bounded buffer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn write(&mut self, batch: Batch<T>) -> Result<()>;

    /// No record comes any more whose event time is not after this.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_watermark(&mut self, _watermark: Watermark) -> Result<()> {
        Ok(())
    }

    /// Returns when everything written so far is safe outside. Called at every barrier
    /// and at the end of bounded input.
    ///
    /// # Errors
    /// Fails the checkpoint and the attempt.
    fn flush(&mut self) -> Result<()>;

    /// Closes the output of `epoch`: everything written since the last barrier must survive
    /// this process without being visible, and what the committer needs to make it visible is
    /// returned (nothing, when nothing was written). Called after `flush`, and only when the
    /// sink has a committer.
    ///
    /// # Errors
    /// Fails the checkpoint and the attempt.
    fn prepare_commit(&mut self, _epoch: Epoch) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// Bounded input has ended: everything written must be safe; it must be visible to
    /// readers too, unless the sink commits in two phases, whose last commit follows.
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
    /// Everything prepared for epochs up to this one is committed, and the newest durable
    /// checkpoint does not list it any more: names used for it may be used again.
    fn on_released(&mut self, _up_to: Epoch) {}
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

/// Commits what the restored state of a sink lists, before any source runs. The runtime
/// calls it once an attempt, on the first process; tests may.
///
/// # Errors
/// What the sink's committer says: data would be lost or doubled if the job went on.
pub fn recover<T: Data>(
    sink: &dyn Sink<T>,
    context: &CommitterContext,
    restored: &Restored,
) -> Result<()> {
    let place = |e: millstream_core::Error| e.at(format!("operator '{}'", context.name));
    let Some(mut committer) = sink.committer(context).map_err(place)? else {
        return commits::refuse_orphans(restored).map_err(place);
    };
    context.job.check_exactly_once().map_err(place)?;
    let listed = commits::listed(restored).map_err(place)?;
    fault::reach("before-recovery");
    committer.recover(&listed).map_err(|e| place(e.at("commit after restore")))?;
    fault::reach("after-recovery");
    Ok(())
}
