//! What reads and writes batches for one subtask.
//!
//! Invariant: a reader's stored position is behind the last row that it gave out.

use crate::runtime::ChangeBatch;
use millstream_core::{Epoch, Result, Watermark};
use millstream_runtime::OperatorSnapshot;

/// What a reader has to say.
pub enum TablePoll {
    /// Rows.
    Rows(ChangeBatch),
    /// Nothing now; ask again at this processing time.
    Wait(Option<i64>),
    /// This reader has read everything.
    End,
}

/// Reads for one subtask.
pub trait TableReader {
    /// The next rows, about a thousand.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, now_ms: i64) -> Result<TablePoll>;
    /// Stores how far it has come, as operator state.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, _epoch: Epoch, _into: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

/// Writes for one subtask.
pub trait TableWriter {
    /// Writes rows; may keep them in a bounded buffer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn write(&mut self, batch: &ChangeBatch) -> Result<()>;
    /// No row comes any more whose event time is not after this.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_watermark(&mut self, _watermark: Watermark) -> Result<()> {
        Ok(())
    }
    /// Everything written is safe when this returns.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn flush(&mut self) -> Result<()>;
    /// Stores what the writer needs to go on; after [`flush`](Self::flush).
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
    /// Bounded input has ended: everything is safe and visible when this returns.
    ///
    /// # Errors
    /// Ends the attempt.
    fn end(&mut self) -> Result<()> {
        self.flush()
    }
    /// Called at [`next_poll`](Self::next_poll): timed flushes.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, _now_ms: i64) -> Result<()> {
        Ok(())
    }
    /// When `poll` must be called.
    fn next_poll(&self) -> Option<i64> {
        None
    }
}
