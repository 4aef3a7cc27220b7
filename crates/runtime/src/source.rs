//! Sources: splits, readers, and the head of a source chain.
//!
//! ```text
//!   Source ──create_reader──> SourceReader ──records by split──> SourceOutput
//!   (one per job)             (one per subtask)                  (event times, watermarks)
//! ```
//!
//! A split is the unit of reading and of recovery: a Kafka partition, a file, a
//! range of a generator. Which subtask reads a split is a function of the split
//! alone (`split index % parallelism`, or the like), so no coordinator is needed
//! and every restart and rescale agrees.
//!
//! Invariant: the stored position of a split is exactly behind the last record of
//! the epoch that the snapshot closes.

use crate::operator::OperatorContext;
use crate::snapshot::OperatorSnapshot;
use millstream_core::{Batch, Data, Epoch, EventTime, Result};

pub use crate::source_node::SourceOutput;

/// Index of a split within one reader, given by [`SourceOutput::add_split`].
pub type SplitIndex = usize;

/// What a reader has to say after a call of [`SourceReader::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourcePoll {
    /// There may be more right away.
    More,
    /// Nothing now. The reader wakes the task through its context's
    /// [`Waker`](crate::Waker), or wants to be asked again at this processing time.
    Wait(Option<i64>),
    /// This reader has read all its splits to their end and gets no more.
    End,
}

/// Describes where records come from; shared by all subtasks.
pub trait Source: Send + Sync + 'static {
    /// The records.
    type Out: Data;

    /// Makes the reader of one subtask; reads restored positions from `context.restored`.
    ///
    /// # Errors
    /// When the outside system is not there or the options are wrong: before data flows.
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<Self::Out>>>;

    /// Checks of options that need no I/O, when the job is built.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// Reads the splits of one subtask. Called from one thread; must not block for long.
pub trait SourceReader<T: Data> {
    /// Emits up to about a thousand records.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll>;

    /// Stores the position of every split, as operator state (list).
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()>;

    /// The positions stored for `epoch` are durable; for monitoring (Kafka's group offsets).
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }

    /// Watermark alignment: do not read the splits for which `paused` is true (by
    /// [`SplitIndex`]). A reader that ignores it is paused as a whole when all its splits are.
    fn pause_splits(&mut self, _paused: &[bool]) {}

    /// Lets go of outside resources. Called once.
    ///
    /// # Errors
    /// Reported when the job had not failed before.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Rows of one split on their way from a reader.
pub(crate) struct Pending<T> {
    pub(crate) split: SplitIndex,
    pub(crate) batch: Batch<T>,
}

impl<T> Pending<T> {
    pub(crate) fn push(&mut self, value: T, timestamp: EventTime) {
        self.batch.push(value, timestamp);
    }
}
