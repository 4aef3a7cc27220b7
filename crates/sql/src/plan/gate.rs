//! Holds the sources of a job at a count of rows, so that a test can stop it in the middle of
//! its input: by a condition, not by time.
//!
//! Between a source's reader and the job. Nothing in a product.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// See the module. One for each run of a job.
#[derive(Debug, Default)]
pub struct SourceGate {
    batch_rows: usize,
    /// Rows after which a reader gives no more; `None`: it is not held.
    hold_after: Option<u64>,
    /// Which sources are held: with `Some((i, n))` those whose number in the job is `i` modulo
    /// `n`.
    only: Option<(usize, usize)>,
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    sources: usize,
    /// Readers of the job.
    readers: usize,
    /// Readers that are held, and those that have ended.
    held: usize,
    ended: usize,
    /// Rows of the reader that has given most.
    most_rows: u64,
}

impl SourceGate {
    /// Readers give batches of at most so many rows, and none after `hold_after` rows.
    pub fn new(batch_rows: usize, hold_after: Option<u64>) -> Self {
        SourceGate { batch_rows, hold_after, ..Self::default() }
    }
    /// Holds only every `of`th source, from number `first` of the job; the others go to their
    /// end.
    pub fn only(self, first: usize, of: usize) -> Self {
        SourceGate { only: Some((first, of)), ..self }
    }
    /// Rows of the reader that has given most.
    pub fn most_rows(&self) -> u64 {
        self.state().most_rows
    }
    /// Waits until no reader gives more rows: whether one of them is held, with input left.
    pub fn wait(&self, timeout: Duration) -> Option<bool> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        loop {
            if state.readers > 0 && state.held + state.ended >= state.readers {
                return Some(state.held > 0);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.map_or_else(|e| e.into_inner().0, |(state, _)| state);
        }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch_rows.max(1)
    }
    /// The job has one more source, with so many readers; answers the source's number.
    pub(crate) fn expect(&self, readers: usize) -> usize {
        let mut state = self.state();
        state.readers += readers;
        state.sources += 1;
        state.sources - 1
    }
}

/// How one reader stands to the gate.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    /// The number of its source.
    source: usize,
    given: u64,
    stopped: bool,
}

impl Passage {
    /// For a reader of the source of this number.
    pub(crate) fn of(source: usize) -> Self {
        Passage { source, ..Self::default() }
    }
    /// Whether the reader is held.
    pub(crate) fn is_held(&mut self, gate: &SourceGate) -> bool {
        let held = gate.hold_after.is_some_and(|after| self.given >= after)
            && gate.only.is_none_or(|(first, of)| self.source % of.max(1) == first);
        if held && !std::mem::replace(&mut self.stopped, true) {
            gate.change(|state| state.held += 1);
        }
        held
    }
    pub(crate) fn gave(&mut self, rows: usize, gate: &SourceGate) {
        self.given += rows as u64;
        let given = self.given;
        gate.change(|state| state.most_rows = state.most_rows.max(given));
    }
    pub(crate) fn ended(&mut self, gate: &SourceGate) {
        if !std::mem::replace(&mut self.stopped, true) {
            gate.change(|state| state.ended += 1);
        }
    }
}
